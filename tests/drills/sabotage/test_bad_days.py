"""What goes wrong around a drill, not in the backup: each ends in a known state, says what and where and what next."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from infra.images import of_role
from infra.sections import MiB
from infra.settings import Site
from runbooks.core.errors import Exit, NotReady, Undone
from runbooks.core.procedure import carry_out
from runbooks.core.run import Run
from runbooks.parts import proof, throwaway
from runbooks.parts.repositories import cluster
from runbooks.restore_drill import RUNBOOK, STEPS
from tests.drills.repositories import settled
from tests.drills.sabotage.cases import Case
from tests.drills.sabotage.conftest import Good
from tests.drills.sabotage.drilled import evidence_of, members, outcomes, remains
from tests.drills.sabotage.test_sabotage import sabotaged
from tests.drills.stack import Stack, docker, until

pytestmark = pytest.mark.drill

RESTORING = 1 + next(number for number, step in enumerate(STEPS) if step.do is throwaway.restore)
PROVING = 1 + next(number for number, step in enumerate(STEPS) if step.do is proof.prove_content)
STILL = 8  # seconds, less than pgBackRest waits for an answer
SMALL = 24 * MiB  # less than an empty cluster has


def begun(stack: Stack, step: int, *options: str) -> subprocess.Popen[str]:
    """Begin a drill and return it once it has come to its step number `step`."""
    since = stack.journals()
    runner = stack.begin("restore-drill", *options)
    until(lambda: stack.reached(step, since) or runner.poll() is not None, 120, f"step {step}")
    assert runner.poll() is None, runner.communicate()[0]
    return runner


def proves(stack: Stack, runner: subprocess.Popen[str]) -> None:
    """Wait for the end of a drill that nothing may have disturbed."""
    said, _ = runner.communicate(timeout=300)
    assert runner.returncode == Exit.DONE, said
    evidence = evidence_of(stack, stack.last_record()["id"])
    assert evidence.proved, outcomes(evidence)
    assert remains(stack) == []


def test_the_second_of_two_drills_is_told_who_is_at_it(stack: Stack, good: Good) -> None:
    """It ends with 5 and changes nothing; the first goes on."""
    first = begun(stack, RESTORING)
    said = stack.inv("restore-drill", code=Exit.LEASE_HELD)
    assert "holds the lease" in said
    assert RUNBOOK.title in said
    proves(stack, first)


@pytest.mark.leader_moves
def test_the_leader_moves_in_the_middle(stack: Stack, good: Good) -> None:
    """The copy is of a point that was before, and what is archived on the new timeline is the cluster's own."""
    before = cluster(stack.estate).leader.name
    drill = begun(stack, RESTORING)
    docker("exec", before, "patronictl", "-c", "/config/patroni.yml", "switchover", "--force")
    proves(stack, drill)
    assert cluster(stack.estate).leader.name != before
    settled(stack)


def test_a_store_that_stands_still_for_a_moment(stack: Stack, good: Good) -> None:
    """The restore from it waits, and goes on."""
    store = stack.container(good.site.name, "store")
    drill = begun(stack, RESTORING, "--site", good.site.name)
    docker("pause", store)
    try:
        time.sleep(STILL)
    finally:
        docker("unpause", store)
    proves(stack, drill)


@contextmanager
def stuttering(store: str, still: float, going: float) -> Iterator[None]:
    """Let a store stand still again and again: it is as slow as the share of time for which it goes."""
    over = threading.Event()

    def stutter() -> None:
        while not over.wait(going):
            docker("pause", store)
            time.sleep(still)
            docker("unpause", store)

    thread = threading.Thread(target=stutter)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.full
def test_a_slow_store(stack: Stack, good: Good) -> None:
    """From the first request on it takes five times as long, and the drill is as green."""
    with stuttering(stack.container(good.site.name, "store"), still=0.8, going=0.2):
        drill = stack.begin("restore-drill", "--site", good.site.name)
        proves(stack, drill)


@contextmanager
def dead(stack: Stack, site: Site) -> Iterator[None]:
    """Let the store of `site` die, and be started again at the end."""
    store = stack.container(site.name, "store")
    docker("kill", store)
    try:
        yield
    finally:
        docker("start", store)
        settled(stack)


@pytest.mark.full
def test_a_store_that_dies_half_way(stack: Stack, good: Good) -> None:
    """Nothing is proved, and it says so: which check failed on what, and what to do; the evidence is in the other."""
    (other,) = [site for site in stack.estate.settings.sites if site != good.site]
    before = members(stack)
    drill = begun(stack, RESTORING, "--site", good.site.name)
    with dead(stack, good.site):
        said, _ = drill.communicate(timeout=300)
    print(said)
    assert drill.returncode == Exit.UNDONE, said
    assert f"of {good.site.name} is NOT proved:" in said
    assert f"{good.site.name}: no evidence there" in said
    assert "Where a store or a disk gave way" in said
    evidence = evidence_of(stack, stack.last_record()["id"], [other])
    assert outcomes(evidence)["target"] == "failed"
    assert remains(stack) == []
    store = stack.container(good.site.name, "store")
    assert {**members(stack), store: None} == {**before, store: None}


def test_the_other_store_dies_half_way(stack: Stack, good: Good) -> None:
    """The backup is proved all the same, and the evidence is in the one store that is left."""
    (other,) = [site for site in stack.estate.settings.sites if site != good.site]
    drill = begun(stack, PROVING, "--site", good.site.name)
    with dead(stack, other):
        said, _ = drill.communicate(timeout=300)
    assert drill.returncode == Exit.DEGRADED, said
    assert f"{other.name}: no evidence there" in said
    evidence = evidence_of(stack, stack.last_record()["id"], [good.site])
    assert evidence.proved, outcomes(evidence)
    assert remains(stack) == []


def test_a_disk_that_is_nearly_full_is_refused(stack: Stack, good: Good) -> None:
    """Before anything is made: how much there is, how much is needed, and where to go instead."""
    settings = stack.estate.settings
    greedy = replace(settings, backup=replace(settings.backup, free_bytes=1 << 60))
    with pytest.raises(NotReady, match=r"-backup-1: \d+ MiB free, and the copy needs \d+ .* drill at the other site"):
        carry_out(RUNBOOK, greedy, stack.estate.secrets, arguments={"site": good.site.name})
    assert remains(stack) == []


def small_disk(run: Run) -> None:
    """Have a volume of the copy's name that is of a fixed size; the engine takes what it finds."""
    name, uid = f"{throwaway.name(run)}-data", of_role("db").uid
    options = ("type=tmpfs", "device=tmpfs", f"o=size={SMALL},uid={uid},gid={uid},mode=0700")
    labels = (f"{label}={value}" for label, value in throwaway.tags(run).items())
    words = [word for option in options for word in ("--opt", option)]
    docker("volume", "create", *words, *(word for label in labels for word in ("--label", label)), name)


@pytest.mark.full
def test_a_disk_that_runs_full_half_way(stack: Stack, good: Good) -> None:
    """The copy goes, and with it the room it took; the evidence says what gave way."""
    before = members(stack)
    settings, secrets = stack.estate.settings, stack.estate.secrets
    full = Case(breaks=small_disk, before=throwaway.make, caught_by="target", says="No space left on device")
    with pytest.raises(Undone, match=r"No space left on device(.|\n)*mend it"):
        carry_out(replace(RUNBOOK, steps=sabotaged(full)), settings, secrets, arguments={"site": good.site.name})
    evidence = evidence_of(stack, stack.last_record()["id"])
    assert outcomes(evidence)["target"] == "failed"
    assert remains(stack) == []
    assert members(stack) == before


@pytest.mark.full
@pytest.mark.parametrize("number", [0, 1])
def test_each_repository_restores_on_its_own(stack: Stack, good: Good, number: int) -> None:
    """With the other store stopped, at its own site: nothing of the other is needed but the word that it is gone."""
    own, other = (stack.estate.settings.sites[place] for place in (number, 1 - number))
    before = members(stack)
    with stack.stopped(other.name, "store"):
        said = stack.inv("restore-drill", "--site", own.name, "--from", own.name, code=Exit.DEGRADED, within=300)
    settled(stack)
    record = stack.last_record()
    evidence = evidence_of(stack, record["id"], [own])
    assert evidence.proved, outcomes(evidence)
    assert (evidence.site, evidence.backup.repository) == (own.name, own.name)
    assert f"{other.name}: no evidence there" in said
    assert remains(stack) == []
    store = stack.container(other.name, "store")
    assert {**members(stack), store: None} == {**before, store: None}
