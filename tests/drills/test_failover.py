"""`inv failover` on the real stack: two of three places go, one site takes over, those that return decide nothing."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runbooks.adapters import etcd
from runbooks.core.errors import CommandFailed, Exit
from runbooks.failover import ALONE, CUSTOMERS
from runbooks.pay import audited, customers
from tests.drills.containers import labelled
from tests.drills.moves import settled, standing_by, writers
from tests.drills.rejoining import made_whole
from tests.drills.stack import Stack, cut_power, docker, kill, until

pytestmark = pytest.mark.drill

RATE, AT_MOST = 30, 180  # payments a second, and seconds of them there must be instalments for
RETURNED = 20  # seconds for which those that return are watched: the leader's lease, in etcd
STEPS = 1 + len(ALONE) + 1 + len(CUSTOMERS) + 2


@pytest.fixture(scope="module", autouse=True)
def loans(stack: Stack) -> None:
    """Enough instalments for the payments of every drill here."""
    stack.inv("seed", "--loans", "4000", within=300)


@pytest.fixture
def left(stack: Stack) -> Iterator[str]:
    """The site that is to be left, of a stack that is whole before and after."""
    settled(stack)
    site = standing_by(stack)
    yield site
    made_whole(stack, site)


def of_the_lost(stack: Stack, left: str) -> list[str]:
    """Return every container of the other site and of the witness."""
    names = [name for name in labelled("container", stack.name) if not name.endswith("-files")]
    return [name for name in names if not name.startswith(f"{stack.name}-{left}-")]


def lose(stack: Stack, left: str) -> None:
    """End the other site and the witness without a word, and wait until the site that is left knows."""
    docker("kill", *of_the_lost(stack, left))
    site = stack.estate.settings.site(left)
    until(lambda: not stack.estate.member(site, "etcd").ask(etcd.status()).has_leader, 30, "no quorum")


@contextlib.contextmanager
def unreached(stack: Stack, folder: Path, *reached: str) -> Iterator[Stack]:
    """Yield the stack as it is typed at where only the engines of the places `reached` can be."""
    lost = [place.name for place in stack.estate.settings.places if place.name not in reached]
    patterns = "|".join(f'*"{stack.name}-{name}-"*' for name in lost)
    shim = folder / "docker"
    shim.write_text(
        f'#!/bin/sh\ncase "$*" in {patterns}) echo "Cannot connect to the Docker daemon" >&2; exit 1 ;; esac\n'
        f'exec {shutil.which("docker")} "$@"\n'
    )
    shim.chmod(0o755)
    seen = Stack(stack.name, stack.root, PATH=f"{folder}:{os.environ['PATH']}")
    yield seen
    seen.close()


def never_leads(stack: Stack, left: str) -> None:
    """Watch those that came back: the site that is left takes writes, and no other, and none of them decides."""
    until_then = time.monotonic() + RETURNED
    others = [place for place in stack.estate.settings.places if place.name != left]
    while time.monotonic() < until_then:
        assert [site.name for site in writers(stack)] == [left]
        for place in others:
            with contextlib.suppress(CommandFailed):
                assert not stack.estate.member(place, "etcd").ask(etcd.status()).has_leader
        time.sleep(0.2)


# -- refused


def test_what_is_whole_is_left_to_a_switchover(stack: Stack) -> None:
    settled(stack)
    there, here = standing_by(stack), writers(stack)[0].name
    confirmed = ("--confirm", stack.name)
    said = stack.inv("failover", "--to", there, *confirmed, code=Exit.NOT_READY)
    assert f"./inv switchover --stack {stack.name} --to" in said
    assert "leads already" in stack.inv("failover", "--to", here, *confirmed, code=Exit.NOT_READY)
    assert "./inv switchover" in stack.inv("failover", "--to", there, "--plan", code=Exit.NOT_READY)


# -- the quorum is gone


def test_those_that_could_not_be_fenced_come_back_together_and_decide_nothing(
    stack: Stack, left: str, tmp_path: Path
) -> None:
    """The hardest case: no engine of theirs answers, so all hangs on what their voters are told when they return."""
    with customers(stack.estate, RATE, AT_MOST) as probe:
        time.sleep(2)  # of payments before
        lose(stack, left)
        with unreached(stack, tmp_path, left) as seen:
            failover = ("failover", "--to", left, "--confirm", stack.name)
            said = seen.inv(*failover, code=Exit.NOT_READY)
            assert "--fenced" in said, "their coming back is somebody's to prevent"
            said = seen.inv(*failover, "--fenced", "bdg", code=Exit.DEGRADED, within=200)
            assert "MAKE SURE that bdg stays switched off" in said
        record = stack.last_record()
        assert record["outcome"] == "degraded"
        assert (record["figures"]["fenced"], record["figures"]["may_be_lost"]) == ([], False)
        assert len(record["figures"]["not_fenced"]) == len(stack.estate.settings.places)
        said = stack.inv("status", code=Exit.DEGRADED)
        assert f"./inv rejoin --stack {stack.name} {writers_not(stack, left)}" in said
        docker("start", *of_the_lost(stack, left))
        never_leads(stack, left)
        probe.stop()
        audit = audited(stack.estate, probe)
    assert audit.holds
    assert audit.acknowledged > 0
    for place in ("bdg", writers_not(stack, left)):
        docker("exec", stack.container(place, "etcd"), "test", "-e", "/data/etcd/removed")  # it does not even try again


def writers_not(stack: Stack, left: str) -> str:
    """Return the name of the other site."""
    return next(site.name for site in stack.estate.settings.sites if site.name != left)


@pytest.mark.full
def test_those_that_were_fenced_come_back_and_decide_nothing(stack: Stack, left: str) -> None:
    """Also while the survivor's voter is away, who would tell them."""
    with customers(stack.estate, RATE, AT_MOST) as probe:
        time.sleep(2)
        lose(stack, left)
        stack.inv("failover", "--to", left, "--confirm", stack.name, "--pay", "20", code=Exit.DEGRADED, within=200)
        figures = stack.last_record()["figures"]
        assert (figures["not_fenced"], figures["lost_payments"]) == ({}, 0)
        assert figures["rto_seconds"] > 0
        docker("start", *of_the_lost(stack, left))
        never_leads(stack, left)
        docker("stop", stack.container(left, "etcd"))
        others = [place for place in stack.estate.settings.places if place.name != left]
        for _ in range(50):
            assert not [site for site in writers(stack) if site.name != left]
            for place in others:
                with contextlib.suppress(CommandFailed):
                    assert not stack.estate.member(place, "etcd").ask(etcd.status()).has_leader
            time.sleep(0.2)
        docker("start", stack.container(left, "etcd"))
        until(lambda: [site.name for site in writers(stack)] == [left], 60, "it leads again")
        probe.stop()
        assert audited(stack.estate, probe).holds


@pytest.mark.full
@pytest.mark.parametrize("step", range(1, STEPS + 1))
@pytest.mark.parametrize("when", ["begin", "end"])
def test_a_killed_runner_is_finished_by_the_next(stack: Stack, left: str, when: str, step: int) -> None:
    """Whatever it was at; a step whose state is reached as it begins has no beginning to die at."""
    lose(stack, left)
    since = stack.journals()
    runner = stack.begin("failover", "--to", left, "--confirm", stack.name)
    until(lambda: (when, step) in stack.progress(since) or runner.poll() is not None, 120, f"{when} {step}")
    (cut_power if when == "begin" else kill)(runner)
    if runner.returncode != -signal.SIGKILL:
        assert runner.returncode == Exit.DEGRADED, "it was faster"
        return
    next_one = stack.begin("failover", "--resume")
    said, _ = next_one.communicate(timeout=300)
    if "nothing to resume" in said:  # it died before its head was written, and had done nothing
        assert (when, step) == ("begin", 1), said
        said = stack.inv("failover", "--to", left, "--confirm", stack.name, code=Exit.DEGRADED, within=200)
    else:
        assert next_one.returncode == Exit.DEGRADED, said
    assert [site.name for site in writers(stack)] == [left]
    assert stack.dead_run() is None
    until(lambda: stack.inv("status", code=Exit.DEGRADED) != "", 10, "status answers")


@pytest.mark.full
def test_a_dead_run_is_given_up_where_a_quorum_is_back(stack: Stack, left: str, tmp_path: Path) -> None:
    """Patroni has decided by then, and what the dead runner has set aside is given back."""
    lose(stack, left)
    since = stack.journals()
    with unreached(stack, tmp_path, left, writers_not(stack, left)) as seen:
        runner = seen.begin("failover", "--to", left, "--confirm", stack.name)
        until(lambda: ("begin", 1) in stack.progress(since), 60, "it fences")
        cut_power(runner)
    docker("start", stack.container("bdg", "etcd"))
    until(lambda: [site.name for site in writers(stack)] == [left], 90, "Patroni lets it lead")
    assert "there is a quorum again" in stack.inv("failover", "--resume", code=Exit.UNDONE, within=200)
    assert [site.name for site in writers(stack)] == [left]
    assert stack.dead_run() is None


# -- a quorum stands


def hung(stack: Stack) -> None:
    """Let the leader's PostgreSQL stand still; its Patroni goes on."""
    docker("exec", stack.container(writers(stack)[0].name, "db"), "pkill", "-STOP", "postgres")


def paused_and_lost(stack: Stack) -> None:
    """Have Patroni leave everything as it is, and end the leader."""
    leader = stack.container(writers(stack)[0].name, "db")
    docker("exec", leader, "patronictl", "-c", "/config/patroni.yml", "pause", "--wait")
    docker("kill", leader)


@pytest.mark.full
@pytest.mark.parametrize("strike", [hung, paused_and_lost], ids=lambda strike: str(strike.__name__))
def test_a_leader_that_nobody_takes_over_from(stack: Stack, left: str, strike: Callable[[Stack], None]) -> None:
    strike(stack)
    stack.inv("failover", "--to", left, "--confirm", stack.name, code=Exit.DEGRADED, within=200)
    assert [site.name for site in writers(stack)] == [left]
    figures = stack.last_record()["figures"]
    assert (figures["quorum"], figures["may_be_lost"]) == (True, False)
    if strike is paused_and_lost:
        docker("exec", stack.container(left, "db"), "patronictl", "-c", "/config/patroni.yml", "resume")
