"""What every runbook finds in memory: stores kept by moto, and sealed secrets to mirror."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from infra.secrets import Secrets, create
from runbooks import bootstrap, seed
from runbooks.adapters.credit import Audit
from runbooks.core.command import Command
from runbooks.core.probe import Order
from runbooks.core.run import Run
from runbooks.parts import fault, kept_evidence, mirror, moving, paying, taking_over
from tests.core.fake import SETTINGS
from tests.runbooks.fake import World
from tests.runbooks.fake_fault import FakeCustomers
from tests.s3 import in_memory

DECLARE = bootstrap.declare
AUDITED = Audit(acknowledged=8, lost=0, altered=0, misposted=0, twice=0, unacknowledged=0, problems=())


@pytest.fixture(scope="session")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the identity that opens the worlds' secrets."""
    return tmp_path_factory.mktemp("identity") / "identity.txt"


@pytest.fixture(scope="session")
def sealed_for(identity: Path) -> Secrets:
    """Return the secrets of every world, made once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEPARUH_IDENTITY_FILE", str(identity))
        return create(SETTINGS, identity.parent)


@pytest.fixture(autouse=True)
def _stores(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, identity: Path, sealed_for: Secrets) -> Iterator[None]:
    monkeypatch.setenv("SEPARUH_IDENTITY_FILE", str(identity))
    monkeypatch.setattr(World, "secrets", sealed_for)
    monkeypatch.setattr(seed, "PORTION", 10)
    monkeypatch.setattr(moving, "ROUNDS", 0)
    monkeypatch.setattr(taking_over, "ORDERED", 0)
    monkeypatch.setattr(mirror, "sealed", lambda _: b"age-encryption.org/v1")
    monkeypatch.setattr(kept_evidence, "ROOT", tmp_path)
    monkeypatch.setattr(bootstrap, "declare", declared)
    monkeypatch.setattr(fault, "deliver", lambda *_: "separuh/fault:1")
    monkeypatch.setattr(paying, "unpaid", lambda _, wanted: [(1, 1, 100)] * wanted)
    monkeypatch.setattr(paying, "audited", lambda *_: AUDITED)
    monkeypatch.setattr(paying, "customers", pretended)
    moments = count(1)
    monkeypatch.setattr(paying, "paid", lambda run: Counter(dict.fromkeys(run.recall("gateways", []), next(moments))))
    monkeypatch.setattr(bootstrap, "settle", lambda *_, **__: None)
    monkeypatch.setattr("runbooks.up.await_serving", lambda *_: None)
    with in_memory():
        yield


def pretended(estate: World, rate: float, seconds: float, payments: list[tuple[int, int, int]]) -> Any:
    """Return customers of whom no process is made."""
    gateways = {site.name: "http://nowhere" for site in estate.settings.sites}
    order = Order(run="pay", gateways=gateways, rate=rate, seconds=seconds, payments=payments, acknowledged="")
    return FakeCustomers(order)


def declared(run: Run, places: Collection[str]) -> None:
    """Count what is declared as one change: in memory there is no engine to carry it out."""
    if run.planning:
        DECLARE(run, places)
        return
    run.estate.place(run.settings.witness).do(Command(argv=("declared", *places)))
