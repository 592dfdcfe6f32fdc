"""Fixtures of the engine's tests: a run, and a function that takes a table of steps through it."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from runbooks.core.host import Estate
from runbooks.core.journal import Head, Journal
from runbooks.core.lease import Holder, Lease
from runbooks.core.perform import Performance
from runbooks.core.progress import Progress
from runbooks.core.run import Run, Step
from tests.core.fake import SETTINGS, FileQuorum

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
def perform(tmp_path: Path) -> Perform:
    """Return a function that takes steps from a head onward, under a lease kept in a file."""

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
