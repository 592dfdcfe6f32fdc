"""Who may act when the quorum is gone, and when it is back: one run at a time over both keepers of the lease."""

from __future__ import annotations

from pathlib import Path

import pytest

from runbooks.core.errors import LeaseHeld
from runbooks.core.hold import hold
from runbooks.core.lease import Lease
from runbooks.core.quorum import NoQuorum
from tests.core.fake import FileQuorum
from tests.core.test_lease import ANN, BEN


class Gone(FileQuorum):
    """A keeper of which no majority, or no store, answers."""

    def claim(self, key: str, value: str, ttl: int) -> str | None:
        """Say so."""
        raise NoQuorum("no etcd member answers")

    def get(self, key: str) -> str | None:
        """Say so."""
        raise NoQuorum("no store answers")


@pytest.fixture
def quorum(tmp_path: Path) -> FileQuorum:
    """The etcd that both sites trust."""
    return FileQuorum(tmp_path / "etcd")


@pytest.fixture
def stores(tmp_path: Path) -> FileQuorum:
    """What survives it."""
    return FileQuorum(tmp_path / "stores")


def test_without_a_quorum_only_a_runbook_made_for_that_day_goes_on(tmp_path: Path, stores: FileQuorum) -> None:
    keepers = Gone(tmp_path / "gone"), stores
    with pytest.raises(NoQuorum, match="no etcd member"):
        hold("unit", keepers, ANN)
    lease = hold("unit", keepers, ANN, without_quorum=True)
    with pytest.raises(LeaseHeld, match="ann@here"):
        hold("unit", keepers, BEN, without_quorum=True)
    lease.release()
    hold("unit", keepers, BEN, without_quorum=True).release()


@pytest.mark.parametrize("made_for_that_day", [False, True])
def test_a_quorum_that_is_back_does_not_end_a_run_that_began_without(
    quorum: FileQuorum, stores: FileQuorum, tmp_path: Path, made_for_that_day: bool
) -> None:
    lease = hold("unit", (Gone(tmp_path / "gone"), stores), ANN, without_quorum=True)
    with pytest.raises(LeaseHeld, match="ann@here"):
        hold("unit", (quorum, stores), BEN, without_quorum=made_for_that_day)
    assert Lease(quorum, "unit").holder() is None, "the refused one leaves no lease behind"
    lease.release()
    hold("unit", (quorum, stores), BEN).release()


def test_what_died_without_a_quorum_is_found_by_the_next_run_with_one(
    quorum: FileQuorum, stores: FileQuorum, tmp_path: Path
) -> None:
    dead = hold("unit", (Gone(tmp_path / "gone"), stores), ANN, without_quorum=True)
    dead.write_head("its head")
    dead.release()
    lease = hold("unit", (quorum, stores), BEN)
    assert lease.read_head() == "its head"
    assert Lease(stores, "unit").read_head() is None
    lease.release()


def test_two_dead_runs_are_each_kept_until_their_turn(quorum: FileQuorum, stores: FileQuorum) -> None:
    for keeper, head in ((stores, "of the stores"), (quorum, "of the quorum")):
        dead = Lease(keeper, "unit")
        dead.acquire(ANN)
        dead.write_head(head)
        dead.release()
    first = hold("unit", (quorum, stores), BEN)
    assert first.read_head() == "of the quorum"
    first.drop_head()
    first.release()
    assert hold("unit", (quorum, stores), BEN).read_head() == "of the stores"


def test_with_a_quorum_no_store_has_to_answer(quorum: FileQuorum, tmp_path: Path) -> None:
    hold("unit", (quorum, Gone(tmp_path / "gone")), ANN).release()
