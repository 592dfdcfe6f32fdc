"""`inv switchover` on the real stack: nobody notices, what is not well refuses, and no pooler stays paused."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from runbooks.adapters import gate
from runbooks.adapters.gate import Passage
from runbooks.core.errors import Exit
from runbooks.parts import moving
from runbooks.pay import audited, customers
from runbooks.switchover import NAME, STEPS
from tests.drills.moves import at_rest, standing_by, watched, writers
from tests.drills.stack import Stack, cut_power, docker, kill, until

pytestmark = [pytest.mark.drill, pytest.mark.usefixtures("rested")]

RATE, AT_MOST = 100, 90  # payments a second, and seconds of them there must be instalments for
HOLD = 3  # seconds, of a gate that a drill starts by itself
GUARDED = 3  # more that the guard of a pooler allows: its grace, and the turn in which it looks
ALL = range(1, len([step for step in STEPS if step is not NAME]) + 1)
GATES, MOVE, ROUTES, POOLERS = (
    1 + [step.do for step in STEPS if step is not NAME].index(act)
    for act in (moving.let_gates_wait, moving.hand_over, moving.see_it_through, moving.let_payments_go_on)
)
SEEN = (ROUTES, POOLERS)  # steps that only look, once the leader has moved by itself


@pytest.fixture(scope="module", autouse=True)
def loans(stack: Stack) -> None:
    """Enough instalments for the payments of every drill here."""
    stack.inv("seed", "--loans", "4000", within=300)


def test_there_and_back_while_customers_pay(stack: Stack) -> None:
    """Nobody's payment fails or is lost, the leader told both gates, and nothing took the dead man's switch."""
    there, back = standing_by(stack), writers(stack)[0].name
    with customers(stack.estate, RATE, AT_MOST) as probe:
        for way, goal in ((("--to", there), there), (("--back",), back)):
            stack.inv("switchover", *way, "--yes", within=200)
            assert [site.name for site in writers(stack)] == [goal]
            record = stack.last_record()
            assert (record["outcome"], record["reasons"], record["figures"]["to"]) == ("done", [], goal)
            limit = stack.estate.settings.switchover.hold_seconds
            assert all(0 < seconds < limit for seconds in record["figures"]["held_seconds"].values())
        figures = probe.stop()
        audit = audited(stack.estate, probe)
    assert audit.holds
    assert audit.acknowledged > 0
    assert figures.failed_requests == 0, figures.gateways


def test_patroni_is_the_one_whose_waits_are_shortened(stack: Stack) -> None:
    """An image with another Patroni would run it as it is, and slower: then this fails."""
    for site in stack.estate.settings.sites:
        docker("exec", stack.container(site.name, "db"), "brisk", "--check")


# -- what is not well


@contextmanager
def transaction(stack: Stack, sql: str, seconds: float) -> Iterator[None]:
    """Keep a transaction open on the leader meanwhile, in which `sql` is carried out; for so many seconds already."""
    leader = stack.container(writers(stack)[0].name, "db")
    session = subprocess.Popen(
        ["docker", "exec", "-i", leader, "psql", "-XAtq", "-d", stack.estate.settings.cluster],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert session.stdin
    assert session.stdout
    session.stdin.write(f"BEGIN; SELECT pg_backend_pid();\n{sql}\n")
    session.stdin.flush()
    backend = session.stdout.readline().strip()
    try:
        until(lambda: age(leader, backend) > seconds, seconds + 10, "it is old enough")
        yield
    finally:
        docker("exec", leader, "psql", "-XAtqc", f"SELECT pg_terminate_backend({backend})")
        session.stdin.close()
        session.wait(timeout=10)


def age(leader: str, backend: str) -> float:
    """Return the seconds since a session's transaction began."""
    sql = "SELECT extract(epoch FROM clock_timestamp() - xact_start) FROM pg_stat_activity WHERE pid = :pid"
    said = subprocess.run(
        ["docker", "exec", "-i", leader, "psql", "-XAtq", "-v", f"pid={backend}"],
        input=sql,
        check=True,
        capture_output=True,
        text=True,
    )
    return float(said.stdout)


def idle(stack: Stack) -> AbstractContextManager[None]:
    return transaction(stack, "", stack.estate.settings.switchover.idle_in_transaction_seconds)


def long(stack: Stack) -> AbstractContextManager[None]:
    return transaction(stack, "SELECT pg_sleep(120);", stack.estate.settings.switchover.transaction_seconds)


@contextmanager
def paused(stack: Stack) -> Iterator[None]:
    """Have Patroni leave everything as it is meanwhile."""
    leader = stack.container(writers(stack)[0].name, "db")
    docker("exec", leader, "patronictl", "-c", "/config/patroni.yml", "pause", "--wait")
    try:
        yield
    finally:
        docker("exec", leader, "patronictl", "-c", "/config/patroni.yml", "resume", "--wait")


@contextmanager
def lagging(stack: Stack) -> Iterator[None]:
    """Let the standby receive and not replay meanwhile."""
    standby, leader = stack.container(standing_by(stack), "db"), stack.container(writers(stack)[0].name, "db")
    replaying = ("-f", "postgres: .*[s]tartup")
    docker("exec", standby, "pkill", "-STOP", *replaying)
    try:
        docker("exec", leader, "psql", "-XAtqc", "SELECT pg_logical_emit_message(true, 'drill', 'lag')")
        limit = stack.estate.settings.switchover.replay_lag_seconds
        time.sleep(limit + 1)  # the lag is an age: nothing but time makes it
        yield
    finally:
        docker("exec", standby, "pkill", "-CONT", *replaying)


def without(place: str, role: str) -> Callable[[Stack], AbstractContextManager[None]]:
    """Stop a member meanwhile; `place` is a place's name, or "standby" for the site that stands by."""

    def stopped(stack: Stack) -> AbstractContextManager[None]:
        return stack.stopped(standing_by(stack) if place == "standby" else place, role)

    stopped.__name__ = f"without_{role}"
    return stopped


NOT_WELL = [
    pytest.param(idle, "is idle in its transaction", id="idle in transaction"),
    pytest.param(long, "has been in a transaction for", id="long transaction"),
    pytest.param(paused, "Patroni is paused", id="paused Patroni"),
    pytest.param(without("bdg", "etcd"), "bdg-etcd-1", id="no witness"),
    pytest.param(without("standby", "pooler"), "pooler-1", id="no pooler"),
    pytest.param(without("standby", "gateway"), "gateway-1 does not lead to a service", id="no gateway"),
    pytest.param(without("standby", "route"), "route-1 leads to no leader", id="no route", marks=pytest.mark.full),
    pytest.param(without("jkt", "etcd"), "jkt-etcd-1", id="no voter", marks=pytest.mark.full),
    pytest.param(lagging, "s behind", id="lagging standby", marks=pytest.mark.full),
]


@pytest.mark.parametrize(("spoilt", "named"), NOT_WELL)
def test_what_is_not_well_is_named_and_refused(
    stack: Stack, spoilt: Callable[[Stack], AbstractContextManager[None]], named: str
) -> None:
    before, goal = writers(stack), standing_by(stack)
    with spoilt(stack):
        assert named in stack.inv("switchover", "--to", goal, "--yes", code=Exit.NOT_READY)
    assert writers(stack) == before
    assert not any(seen.gate.state == "waiting" for seen in passages(stack).values())


def passages(stack: Stack) -> dict[str, Passage]:
    """Return how each site's way to the leader stands."""
    return {site.name: stack.estate.member(site, "pooler").ask(gate.look()) for site in stack.estate.settings.sites}


# -- the dead man's switch


@contextmanager
def held(stack: Stack) -> Iterator[str]:
    """Hold payments at both sites, as the leader's hook has it done, while the leader stays; yield one site."""
    for site in stack.estate.settings.sites:
        stack.estate.member(site, "pooler").do(gate.wait("drill", HOLD, 60))
    docker("exec", stack.container(writers(stack)[0].name, "db"), "before-stop")
    seen = passages(stack)
    assert all(each.paused and each.gate.state == "holding" for each in seen.values())
    yield standing_by(stack)


def open_again(stack: Stack, site: str) -> bool:
    """Say whether a site's pooler passes payments on."""
    return not passages(stack)[site].paused


def test_a_leader_that_stays_holds_payments_no_longer_than_was_said(stack: Stack) -> None:
    with watched(stack) as seen, held(stack):
        until(lambda: all(open_again(stack, site) for site in seen), HOLD + 10, "payments go on")
        assert {each.gate.state for each in passages(stack).values()} == {"late"}
    assert all(0 < each.longest < HOLD + 1 for each in seen.values())


def test_a_gate_that_is_killed_does_not_leave_its_pooler_paused(stack: Stack) -> None:
    with watched(stack) as seen, held(stack) as site:
        docker("exec", stack.container(site, "pooler"), "kill", "-9", str(process_of(stack, site)))
        until(lambda: open_again(stack, site), HOLD + 10, "payments go on")
    assert HOLD < seen[site].longest < HOLD + GUARDED


def test_a_pooler_that_is_started_again_is_open(stack: Stack) -> None:
    with held(stack) as site:
        docker("restart", "-t", "1", stack.container(site, "pooler"))
        until(lambda: at_rest(stack), 30, "both poolers are open")


def process_of(stack: Stack, site: str) -> int:
    """Return the number of a gate's process in its container."""
    found = docker("exec", stack.container(site, "pooler"), "python3", "-c", PROCESS)
    return int(found)


PROCESS = "import json; print(json.load(open('/run/gate.json'))['pid'])"


# -- killed


# A step whose state is reached already is over as it begins, and has no beginning to die at.
BEGUN = [number for number in ALL if number not in SEEN]
MOMENTS = [("begin", number) for number in BEGUN] + [("end", number) for number in ALL[:-1]]
ALWAYS = [("begin", MOVE), ("end", MOVE)]


@pytest.mark.parametrize(
    ("when", "step"),
    [pytest.param(*each, marks=() if each in ALWAYS else pytest.mark.full) for each in MOMENTS],
)
def test_a_killed_runner_leaves_one_leader_and_no_pooler_paused(stack: Stack, when: str, step: int) -> None:
    """Whatever it was at, payments are held for no longer than was said, and the next runner ends what it began."""
    since, before, goal = stack.journals(), writers(stack), standing_by(stack)
    with watched(stack) as seen:
        runner = stack.begin("switchover", "--to", goal, "--yes")
        until(lambda: (when, step) in stack.progress(since) or runner.poll() is not None, 60, f"{when} {step}")
        (cut_power if when == "begin" else kill)(runner)
        assert runner.returncode == -signal.SIGKILL, "it was faster, and has ended by itself"
        stack.end_lease()
        until(lambda: len(writers(stack)) == 1, 60, "one leader")
        begun = stack.dead_run() is not None
        said = stack.inv("switchover", "--resume", within=300)
    assert ("finishing it" if begun else "nothing to resume") in said
    assert [site.name for site in writers(stack)] == ([goal] if begun else [site.name for site in before])
    limit = stack.estate.settings.switchover.hold_seconds + GUARDED
    assert all(each.longest < limit for each in seen.values())
    assert stack.dead_run() is None
