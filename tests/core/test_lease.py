"""The lease: one owner, kept alive, lost when nobody confirms it, free again by itself."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from runbooks.core.errors import Exit, LeaseHeld
from runbooks.core.lease import Holder, Lease, LeaseLost
from tests.core.fake import FileQuorum

ANN = Holder("run-1", "ann@here process 1", "2026-01-01T00:00:00+00:00", "Back up")
BEN = Holder("run-2", "ben@there process 2", "2026-01-01T00:00:01+00:00", "Patch")


class Deaf(FileQuorum):
    """A quorum that confirms no lease any more."""

    def keep(self, lease: str) -> bool:
        """Say that the lease is gone."""
        return False


def test_the_second_is_told_who_holds_it_since_when_why_and_what_to_do(tmp_path: Path) -> None:
    Lease(FileQuorum(tmp_path / "q"), "unit").acquire(ANN)
    with pytest.raises(LeaseHeld) as refused:
        Lease(FileQuorum(tmp_path / "q"), "unit").acquire(BEN)
    for word in (ANN.owner, ANN.since, ANN.reason, ANN.run, "unit", "Wait for it"):
        assert word in str(refused.value)
    assert refused.value.exit is Exit.LEASE_HELD


@pytest.mark.thorough
def test_it_is_kept_alive_far_beyond_its_ttl_while_the_run_lives(tmp_path: Path) -> None:
    first = Lease(FileQuorum(tmp_path / "q"), "unit", ttl=1)
    first.acquire(ANN)
    time.sleep(2.5)
    first.check()
    with pytest.raises(LeaseHeld):
        Lease(FileQuorum(tmp_path / "q"), "unit", ttl=1).acquire(BEN)
    first.release()
    Lease(FileQuorum(tmp_path / "q"), "unit", ttl=1).acquire(BEN)


def test_one_that_nobody_confirms_is_lost_and_its_head_may_not_be_written(tmp_path: Path) -> None:
    lease = Lease(Deaf(tmp_path / "q"), "unit", ttl=1)
    lease.acquire(ANN)
    time.sleep(1.1)
    with pytest.raises(LeaseLost):
        lease.check()
    with pytest.raises(LeaseLost):
        lease.write_head("{}")


def test_resume_waits_for_a_dead_owner_but_not_for_a_living_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runbooks.core.lease.SLACK", 0.5)
    quorum = FileQuorum(tmp_path / "q")
    quorum.claim("/separuh/unit/lease", '{"run": "r", "owner": "o", "since": "s", "reason": "w"}', 1)
    second = Lease(quorum, "unit", ttl=1)
    second.acquire(BEN, wait=True)
    assert second.holder() == BEN
    began = time.monotonic()
    with pytest.raises(LeaseHeld):
        Lease(quorum, "unit", ttl=1).acquire(ANN, wait=True)
    assert 1.5 <= time.monotonic() - began < 10
    second.release()
