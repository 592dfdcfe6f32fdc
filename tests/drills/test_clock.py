"""`inv backup` by a runner whose clock is wrong, or jumps."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from runbooks.backup import STEPS
from runbooks.core.errors import Exit
from tests.drills.faked import Clock
from tests.drills.repositories import BACKING_UP, fill, main_processes, nothing_is_left, settled
from tests.drills.stack import COPIES, Stack, until

pytestmark = pytest.mark.drill

A_DAY = 24 * 3600


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Clock:
    """A clock of the drill's own."""
    return Clock(tmp_path_factory.mktemp("clock"))


@pytest.fixture
def runner(stack: Stack, clock: Clock) -> Stack:
    """The same checkout, by that clock, which is right at first."""
    clock.set("+0")
    fill(stack)
    settled(stack)
    return Stack(stack.name, stack.root, **clock.environment)


@pytest.mark.parametrize(
    ("offset", "told"),
    [
        ("-20h", "20.0 h behind the store's"),
        ("+20h", "20.0 h ahead of the store's"),
        ("-3d", "is this machine's clock right?"),  # before the first day of the store's certificate
    ],
)
def test_a_clock_that_is_wrong_from_the_start_is_told_and_nothing_is_changed(
    stack: Stack, runner: Stack, clock: Clock, offset: str, told: str
) -> None:
    clock.set(offset)
    assert told in " ".join(runner.inv("backup", code=Exit.NOT_READY).split())
    nothing_is_left(stack)


def test_a_clock_that_jumps_and_is_set_right_again_moves_no_duration(stack: Stack, runner: Stack, clock: Clock) -> None:
    since, began, right = stack.journals(), time.monotonic(), datetime.now(UTC)
    backing_up = runner.begin(*COPIES, "--kind", "full")
    until(lambda: stack.reached(BACKING_UP, since) and bool(main_processes(stack)), 60, "pgBackRest runs")
    for offset in ("+1d", "-1d", "+0"):
        clock.set(offset)
        time.sleep(0.5)
    said, _ = backing_up.communicate(timeout=120)
    took = time.monotonic() - began
    assert backing_up.returncode == Exit.DONE, said
    record = stack.last_record()
    assert 0 < record["steps"][BACKING_UP - 1]["seconds"] <= record["seconds"] < took < A_DAY
    assert abs(datetime.fromisoformat(record["ended_at"]) - right) < timedelta(seconds=took + 1)
    nothing_is_left(stack)


def test_a_clock_that_jumps_and_stays_ends_the_run_and_a_later_backup_succeeds(
    stack: Stack, runner: Stack, clock: Clock
) -> None:
    since, began = stack.journals(), time.monotonic()
    backing_up = runner.begin("backup", "--kind", "incr")
    until(lambda: ("end", BACKING_UP) in stack.progress(since), 120, "backed up")
    clock.set("+1d")  # the next step asks the stores
    said, _ = backing_up.communicate(timeout=180)
    took = time.monotonic() - began
    assert backing_up.returncode == Exit.UNDONE, said
    assert "24.0 h ahead of the store's" in " ".join(said.split())
    record = stack.last_record()
    assert len(record["steps"]) == BACKING_UP + 1
    assert 0 < record["seconds"] < took
    nothing_is_left(stack)
    clock.set("+0")
    runner.inv("backup", "--kind", "incr", within=300)
    assert stack.last_record()["outcome"] == "done"
    assert len(stack.last_record()["steps"]) == len(STEPS)
