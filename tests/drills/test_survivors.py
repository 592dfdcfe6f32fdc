"""The lease without a quorum, on the stores as they are: every version kept and locked."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from runbooks.core.host import Estate
from runbooks.core.survivors import Survivors
from tests.drills.stack import Stack, until

pytestmark = pytest.mark.drill

KEY, HEAD = "/separuh/drill/lease", "/separuh/drill/head"
RUNNERS, TTL = 6, 2


@pytest.fixture
def runners(stack: Stack) -> Iterator[list[Survivors]]:
    """As many runners as want the lease, each with connections of its own."""
    estates = [Estate(stack.estate.settings, stack.estate.secrets) for _ in range(RUNNERS)]
    yield [Survivors([estate.store(site) for site in estate.settings.sites]) for estate in estates]
    for estate in estates:
        estate.close()


def race(runners: list[Survivors]) -> dict[int, str]:
    """Let all claim at the same moment and return the lease of each that got one."""
    won: dict[int, str] = {}
    start = threading.Barrier(len(runners))

    def claim(number: int) -> None:
        runners[number].get(KEY)  # the client loads before the race
        start.wait()
        if lease := runners[number].claim(KEY, f"runner {number}", TTL):
            won[number] = lease

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(len(runners))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return won


def test_of_many_that_claim_at_once_never_do_two_hold_it(runners: list[Survivors]) -> None:
    for _ in range(3):
        won = race(runners)
        assert len(won) <= 1
        for number, lease in won.items():
            assert runners[0].get(KEY) == f"runner {number}"
            runners[number].revoke(lease)
    last = runners[0].claim(KEY, "last", TTL)
    assert last, "nothing of the races is left"
    runners[0].revoke(last)


def test_a_dead_runs_lease_runs_out_and_its_head_is_found(runners: list[Survivors]) -> None:
    dead, next_one = runners[:2]
    lease = dead.claim(KEY, "dead", TTL)
    assert lease
    assert dead.put(HEAD, "its head", (KEY, "dead"))
    assert dead.keep(lease)
    assert next_one.claim(KEY, "next", TTL) is None
    until(lambda: bool(next_one.claim(KEY, "next", TTL)), TTL + 10, "the dead run's lease ran out")
    assert not dead.keep(lease)
    assert not dead.put(HEAD, "too late", (KEY, "dead"))
    assert next_one.get(HEAD) == "its head"
    next_one.delete(HEAD)
    assert dead.get(HEAD) is None
