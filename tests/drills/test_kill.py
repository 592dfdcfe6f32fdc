"""`inv backup` killed at any moment: a later one finishes it, in the same checkout or on another machine."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Literal

import pytest

from infra.identity import identity_file
from runbooks.backup import STEPS
from runbooks.core.errors import Exit
from runbooks.parts import mirror
from runbooks.parts.repositories import cluster
from tests.drills.clones import cloned
from tests.drills.repositories import BACKING_UP, fill, main_processes, nothing_is_left, settled, sites_of
from tests.drills.stack import Stack, cut_power, docker, kill, until

pytestmark = pytest.mark.drill


@dataclass(frozen=True)
class Moment:
    """When a runner dies: as the lease is had and no step has begun, as a step begins, in its middle, or as it ends."""

    step: int
    when: Literal["before", "begun", "middle", "after"]

    def __str__(self) -> str:
        """Name it in a test's id."""
        return f"{self.step} {self.when}"


ARCHIVING = 2  # the step that waits for both archives, and is skipped where neither is behind
TRIES = 5  # some steps are over within a tenth of a second
BEFORE = Moment(1, "before")
MIDDLES = [Moment(number, "middle") for number in range(1, len(STEPS) + 1)]
EDGES = [Moment(step.step, when) for step in MIDDLES for when in ("begun", "after")]


def mostly_full(moments: list[Moment], *always: Moment) -> list[object]:
    """Leave all but `always` to the long repetitions."""
    return [pytest.param(one, id=str(one), marks=() if one in always else pytest.mark.full) for one in moments]


@pytest.fixture(scope="module")
def usual(stack: Stack) -> dict[int, float]:
    """The seconds that each step takes when it has something to do."""
    fill(stack)
    settled(stack)
    give_work(stack)
    stack.inv("backup", "--kind", "incr", within=300)
    return {number: step["seconds"] for number, step in enumerate(stack.last_record()["steps"], start=1)}


@pytest.fixture(scope="module")
def elsewhere(stack: Stack, usual: dict[int, float], tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """Another machine: a clone elsewhere, and a home in which there is the operator's identity and nothing else."""
    home = tmp_path_factory.mktemp("home")
    identity = home / ".config" / "separuh" / "identity.txt"
    identity.parent.mkdir(parents=True)
    shutil.copy(identity_file(), identity)
    root = tmp_path_factory.mktemp("machine") / "checkout"
    there = cloned(stack, root, HOME=str(home), XDG_CONFIG_HOME="", SEPARUH_IDENTITY_FILE="")
    there.inv("secrets.fetch")
    return there


def give_work(stack: Stack) -> None:
    """Take the rules off a bucket and the secrets out of it, so that the steps that keep them have something to do."""
    site = sites_of(stack)[0]
    client, bucket = stack.estate.store(site).client, stack.estate.settings.bucket(site)
    client.delete_bucket_lifecycle(Bucket=bucket)
    client.delete_object(Bucket=bucket, Key=mirror.KEY)  # the versions under it stay locked


@contextmanager
def archiving_held(stack: Stack) -> Iterator[None]:
    """Let the leader's archiver stand still meanwhile, with a segment that waits for longer than a backup accepts."""
    leader, database = cluster(stack.estate).leader.name, stack.estate.settings.database
    aged = (
        f"cd /data/{database.major}/{database.generation}/pg_wal/archive_status; "
        "archived=$(ls | grep -E '^[0-9A-F]{24}[.]done$' | tail -n 1); "
        'touch -d "10 minutes ago" "$archived"; mv "$archived" "${archived%.done}.ready"'
    )
    archiver = ("-f", "postgres: .*[a]rchiver")
    docker("exec", leader, "pkill", "-STOP", *archiver)
    try:
        docker("exec", leader, "sh", "-ec", aged)
        yield
    finally:
        docker("exec", leader, "pkill", "-CONT", *archiver)


def come_to(stack: Stack, moment: Moment, pause: float = 0) -> subprocess.Popen[str]:
    """Begin a backup, and return its runner when it has come to the moment; a middle is `pause` seconds on."""
    settled(stack)
    give_work(stack)
    since = stack.journals()
    with archiving_held(stack) if moment.step == ARCHIVING else nullcontext():
        runner = stack.begin("backup", "--kind", "full" if moment.step == BACKING_UP else "incr")
        if moment.when == "before":
            until(lambda: stack.leaseholder() is not None, 30, "the lease is had")
            return runner
        comes(stack, runner, ("begin", moment.step), since)
        if moment.when == "middle" and moment.step == BACKING_UP:
            until(lambda: len(main_processes(stack)) == len(sites_of(stack)), 30, "pgBackRest runs for both")
        elif moment.when == "middle":
            time.sleep(pause)
    if moment.when == "after":
        comes(stack, runner, ("end", moment.step), since)
    return runner


def die_at(stack: Stack, moment: Moment, usual: dict[int, float], end: Callable[[subprocess.Popen[str]], None]) -> None:
    """Begin a backup and `end` its runner at the moment; one that was faster is finished, and another caught sooner."""
    for again in range(TRIES):
        since = stack.journals()
        end(come_to(stack, moment, usual[moment.step] / 3 / 2**again))
        stack.end_lease()
        if came_to(stack, moment, since):
            return
        stack.inv("backup", "--resume", within=300)
    pytest.fail(f"no runner died at {moment}")


def comes(stack: Stack, runner: subprocess.Popen[str], event: tuple[str, int], since: int) -> None:
    """Wait until the runner's journal has the event, or the runner has done all of it."""
    until(lambda: event in stack.progress(since) or runner.poll() is not None, 120, f"{event}")
    assert event in stack.progress(since), runner.communicate()[0]


def came_to(stack: Stack, moment: Moment, since: int) -> bool:
    """Say whether a run that is dead now was no further than the moment."""
    seen = stack.progress(since)[-1:]
    if moment.when == "before":
        return not seen
    if moment.when == "after":  # the next step begins within milliseconds where it has nothing to look at first
        return seen in ([("end", moment.step)], [("begin", moment.step + 1)])
    return seen == [("begin", moment.step)]


def finished(stack: Stack, dead: str | None, by: Stack, *options: str) -> str:
    """Let `by` finish the dead run with `backup`, check that it says so and leaves nothing, and return what it said."""
    said = by.inv("backup", *options, within=300)
    if dead is not None:
        assert f"run {dead} was left in step" in said
        assert "finishing it" in said
        record = by.record(dead)
        assert record["outcome"] == "done", said
        assert record["figures"]["repositories"].keys() == {site.name for site in sites_of(stack)}
    nothing_is_left(stack)
    return said


def dead_run(stack: Stack) -> str | None:
    """Return the id of the run that waits to be finished; none, where it died before it could change anything."""
    head = stack.dead_run()
    return json.loads(head)["id"] if head else None


@pytest.mark.parametrize("moment", mostly_full([BEFORE, *MIDDLES, *EDGES], MIDDLES[BACKING_UP - 1], MIDDLES[-1]))
def test_a_killed_runner_is_finished_by_resume(stack: Stack, usual: dict[int, float], moment: Moment) -> None:
    die_at(stack, moment, usual, kill)
    dead = dead_run(stack)
    said = finished(stack, dead, stack, "--resume")
    if moment == MIDDLES[BACKING_UP - 1]:
        assert "waiting for the backup to" in said, "what still runs is not begun a second time"
    if dead is None:
        assert moment in (BEFORE, Moment(1, "begun")), "only a run that has changed nothing yet may be forgotten"
        stack.inv("backup", "--kind", "incr", within=300)
        nothing_is_left(stack)


@pytest.mark.parametrize("moment", mostly_full([BEFORE, *MIDDLES, *EDGES], MIDDLES[BACKING_UP - 1]))
def test_a_machine_without_power_is_finished_by_the_next_backup_elsewhere(
    stack: Stack, elsewhere: Stack, usual: dict[int, float], moment: Moment
) -> None:
    """The other machine shares no file with the dead one; its own backup follows the dead run's."""
    die_at(stack, moment, usual, cut_power)
    finished(stack, dead_run(stack), elsewhere, "--kind", "incr")
    assert elsewhere.last_record()["outcome"] == "done"


def test_a_dead_runners_lease_ends_by_itself(stack: Stack, usual: dict[int, float]) -> None:
    """Until then a backup is told so, and `--resume` waits for it."""
    kill(come_to(stack, BEFORE))
    assert "its lease ends by itself within" in stack.inv("backup", code=Exit.LEASE_HELD)
    assert "nothing to resume" in stack.inv("backup", "--resume")
    nothing_is_left(stack)


def test_pgbackrest_killed_with_its_runner(stack: Stack, usual: dict[int, float]) -> None:
    """The runner and pgBackRest's main process die; the workers that hold its lock are cleared away."""
    kill(come_to(stack, MIDDLES[BACKING_UP - 1]))
    for container, process in main_processes(stack):
        docker("exec", container, "kill", "-9", process)
    stack.end_lease()
    finished(stack, dead_run(stack), stack, "--resume")
