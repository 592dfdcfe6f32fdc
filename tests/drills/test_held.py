"""A fingerprint without a standby, and a runner that dies while a member is held for one."""

from __future__ import annotations

import time

import pytest

from runbooks.adapters import barrier, replay
from runbooks.backup import FINGERPRINT, STEPS
from runbooks.core.errors import Exit
from runbooks.core.host import Host
from runbooks.parts.repositories import cluster
from runbooks.pay import audited, customers
from tests.drills.repositories import held, nothing_is_left, settled
from tests.drills.sabotage.drilled import evidence_of, outcomes, remains
from tests.drills.stack import Stack, docker, kill, until

pytestmark = pytest.mark.drill

FINGERPRINTING = 1 + STEPS.index(FINGERPRINT)
RATE = 100  # payments a second
PAYING = 90  # seconds at most
KEPT = 3  # seconds that a snapshot is kept here
LOCKS = "SELECT count(*) FROM pg_locks WHERE mode = 'ShareLock' AND locktype = 'relation'"


def both(stack: Stack) -> tuple[Host, Host]:
    """Return the leader and the standby."""
    leader = cluster(stack.estate).leader.name
    sites = sorted(stack.estate.settings.sites, key=lambda site: stack.container(site.name, "db") != leader)
    return stack.estate.member(sites[0], "db"), stack.estate.member(sites[1], "db")


@pytest.mark.full
def test_without_a_standby_a_backup_is_proved_all_the_same(stack: Stack) -> None:
    """Customers pay all the while, and none of them fails: the leader is held for less than the limit."""
    settled(stack)
    stack.inv("seed", "--loans", "3000", within=120)
    leader, standby = both(stack)
    (site,) = [site for site in stack.estate.settings.sites if standby.name == stack.container(site.name, "db")]
    with stack.stopped(site.name, "db"):
        until(lambda: not cluster(stack.estate).standbys, 60, "Patroni knows of no standby")
        with customers(stack.estate, RATE, PAYING) as probe:
            said = stack.inv("backup", code=Exit.DEGRADED, within=PAYING)
            made = stack.last_record()["figures"]["fingerprint"]
            stack.inv("restore-drill", within=PAYING)
            seen = probe.stop()
        audit = audited(stack.estate, probe)
    print(made, seen, audit)
    assert f"{site.name}: no backup there: its database does not archive" in said
    assert made["scheme"] == "barrier"
    assert 0 < made["held_seconds"] <= stack.estate.settings.backup.barrier_seconds
    assert (seen.void, seen.failed_requests) == ("", 0)
    assert audit.holds
    evidence = evidence_of(stack, stack.last_record()["id"])
    assert evidence.proved, outcomes(evidence)
    assert evidence.point.scheme == "barrier"
    assert evidence.content.rows == made["rows"]
    assert evidence.site == leader.name.split("-")[1]
    assert remains(stack) == []
    settled(stack)


def test_what_a_dead_runner_held_is_let_go_by_itself(stack: Stack) -> None:
    """Nobody releases it, neither on the leader nor on the standby."""
    settled(stack)
    leader, standby = both(stack)
    began = time.monotonic()
    assert leader.ask(barrier.hold("dead", 0.5, KEPT, {"postgres": []})).seconds <= 0.5
    standby.ask(replay.hold("dead", KEPT, {"postgres": ""}))
    assert len([each for each in held(stack) if "process" in each]) >= 1
    until(lambda: not [each for each in held(stack) if "/tmp" not in each], KEPT + 10, "nothing is held")  # noqa: S108
    assert time.monotonic() - began >= KEPT - 1
    for member in (leader, standby):
        member.do(replay.release("dead"))


def test_a_replay_that_a_dead_program_paused_goes_on(stack: Stack) -> None:
    """Killed with all that it had started, it cannot let go; Patroni does."""
    settled(stack)
    _, standby = both(stack)
    docker("exec", standby.name, "psql", "-XAtq", "-d", "postgres", "-c", "SELECT pg_wal_replay_pause()")
    until(lambda: not held(stack), 30, "replay goes on")


@pytest.mark.full
def test_a_runner_killed_while_the_leader_is_held(stack: Stack) -> None:
    """No lock is left behind; its run is finished by the next, with the fingerprint."""
    settled(stack)
    leader, standby = both(stack)
    (site,) = [site for site in stack.estate.settings.sites if standby.name == stack.container(site.name, "db")]
    with stack.stopped(site.name, "db"):
        until(lambda: not cluster(stack.estate).standbys, 60, "Patroni knows of no standby")
        since = stack.journals()
        runner = stack.begin("backup", "--kind", "incr")
        until(lambda: stack.reached(FINGERPRINTING, since) or runner.poll() is not None, 120, "fingerprinting")
        assert runner.poll() is None
        kill(runner)
        until(lambda: docker("exec", leader.name, "psql", "-XAtqd", "postgres", "-c", LOCKS) == "0\n", 2, "no lock")
        stack.end_lease()
        said = stack.inv("backup", "--resume", code=Exit.DEGRADED, within=300)
    assert "finishing it" in said
    assert stack.last_record()["figures"]["fingerprint"]["scheme"] == "barrier", said
    settled(stack)
    nothing_is_left(stack)
