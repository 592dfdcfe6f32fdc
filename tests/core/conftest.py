"""Fixtures of the engine's tests: a run, a function that takes a table of steps through it, and stores in memory."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from rich.console import Console

from infra.settings import Site
from runbooks.core import store as stores
from runbooks.core.host import Estate
from runbooks.core.journal import Head, Journal
from runbooks.core.lease import Holder, Lease
from runbooks.core.perform import Performance
from runbooks.core.progress import Progress
from runbooks.core.run import Run, Step
from runbooks.core.store import Store
from tests.core.fake import SETTINGS, FileQuorum
from tests.s3 import in_memory

Perform = Callable[..., Head]


def new_head(run_id: str = "20260101T000000Z-trial-abc") -> Head:
    """Return the head of a run of which nothing was begun."""
    return Head(
        id=run_id, runbook="trial", arguments={}, started_at="2026-01-01T00:00:00+00:00", operator="me", commit=""
    )


def run_of(head: Head, secrets: Any = None) -> Run:
    """Return the run that a head describes."""
    estate = Estate(SETTINGS, secrets, console=Console(file=io.StringIO()))
    return Run(
        head.id, head.runbook, SETTINGS, secrets, estate, notes=head.notes, reasons=head.reasons, figures=head.figures
    )


@pytest.fixture
def perform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Perform:
    """Return a function that takes steps from a head onward, under a lease kept in a file."""
    monkeypatch.setattr("runbooks.core.perform.POLL_SECONDS", 0.02)
    monkeypatch.setattr("runbooks.core.lease.SLACK", 0)  # a file's clock is ours

    def take(steps: tuple[Step, ...], head: Head | None = None) -> Head:
        head = head or new_head()
        lease = Lease(FileQuorum(tmp_path / "quorum"), "unit", ttl=1)
        lease.acquire(Holder(head.id, "me", "now", "trial"))
        progress = Progress(Console(file=io.StringIO()), {})
        try:
            Performance(
                run_of(head), steps, head, Journal(tmp_path / "journal", head.id), lease, progress
            ).carry_through()
        finally:
            lease.release()
        return head

    return take


def store_of(site: Site, kind: type[Store]) -> Store:
    """Return the store of `site` as moto has it."""
    secrets: Any = SimpleNamespace(ca="", s3=lambda name: SimpleNamespace(access_key="a", secret_key="s" * 8))
    return kind(site, SETTINGS, secrets, False, None)  # type: ignore[arg-type]


@pytest.fixture
def two_stores(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Store]]:
    """Both sites' stores, each with its bucket, in moto."""
    monkeypatch.setattr(stores, "endpoint", lambda site: None)
    monkeypatch.setattr(stores, "REGION", "us-east-1")
    with in_memory():
        made = [store_of(site, Store) for site in SETTINGS.sites]
        for store in made:
            boto3.client("s3", region_name="us-east-1").create_bucket(Bucket=store.bucket)
        yield made
        for store in made:
            store.close()
