"""The engine as properties: whatever step breaks, and however, what was done is undone in reverse."""

from __future__ import annotations

import io
import json
import signal
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from runbooks.core.errors import CommandFailed, Failed, SeparuhError, Undone
from runbooks.core.journal import Head, Journal
from runbooks.core.lease import LeaseLost
from runbooks.core.perform import Performance
from runbooks.core.progress import Progress
from runbooks.core.run import Run, Step
from runbooks.core.signals import Interrupted, interruptible
from tests.core.conftest import Perform, new_head, run_of

BREAKS = (CommandFailed(("false",), "somewhere", 1, "no"), RuntimeError("a bug"), Interrupted("interrupted by SIGINT"))


class Trial:
    """A table of steps that keep account of what was done and undone."""

    def __init__(self, count: int, broken: int | None, error: BaseException, no_return: int | None = None) -> None:
        self.done: list[int] = []
        self.undone: list[int] = []
        self.broken, self.error = broken, error
        self.steps = tuple(self._step(n, n == no_return) for n in range(count))

    def _step(self, n: int, no_return: bool) -> Step:
        def do(run: Run) -> None:
            self.done.append(n)
            if n == self.broken:
                raise self.error

        def undo(run: Run) -> None:
            self.undone.append(n)

        return Step(f"step {n}", do, undo=undo, point_of_no_return=no_return)


def take(steps: tuple[Step, ...], head: Head, folder: Path) -> None:
    """Take steps without a lease, as a founding runbook does."""
    progress = Progress(Console(file=io.StringIO()), {})
    Performance(run_of(head), steps, head, Journal(folder, head.id), None, progress).carry_through()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(
    count=st.integers(1, 7),
    broken=st.integers(0, 6),
    no_return=st.none() | st.integers(0, 6),
    error=st.sampled_from(BREAKS),
)
def test_whatever_breaks_is_undone_in_reverse_but_nothing_from_the_point_of_no_return(
    tmp_path: Path, count: int, broken: int, no_return: int | None, error: BaseException
) -> None:
    trial = Trial(count, broken, error, no_return)
    head = new_head()
    if broken >= count:
        take(trial.steps, head, tmp_path)
        assert trial.done == list(range(count))
        assert trial.undone == []
        return
    past = no_return is not None and no_return <= broken
    with pytest.raises(Failed if past else Undone, match=f"step {broken + 1}/{count}"):
        take(trial.steps, head, tmp_path)
    assert trial.done == list(range(broken + 1))
    assert trial.undone == ([] if past else list(reversed(range(broken + 1))))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(count=st.integers(1, 6), died=st.integers(0, 5), broken=st.none() | st.integers(0, 5))
def test_another_runner_with_only_the_head_finishes_or_undoes_all_of_it(
    tmp_path: Path, count: int, died: int, broken: int | None
) -> None:
    """The first runner dies like kill -9: nothing of it runs on, and its head is what it last put."""
    heads: list[str] = []

    class Killed(BaseException):
        pass

    first = Trial(count, died, Killed())
    head = new_head()
    progress = Progress(Console(file=io.StringIO()), {})
    performance = Performance(run_of(head), first.steps, head, Journal(tmp_path, head.id), None, progress)
    performance._keep = lambda: heads.append(head.dump())  # type: ignore[method-assign]
    performance._take_back = lambda failure: SeparuhError("dead")  # type: ignore[method-assign]
    if died < count:
        with pytest.raises(SeparuhError, match="dead"):
            performance.carry_through()
    else:
        performance.carry_through()
    second = Trial(count, broken, BREAKS[0])
    left = Head.parse(heads[-1])
    onward = list(range(left.begun - 1, count))
    if broken in onward:
        with pytest.raises(Undone):
            take(second.steps, left, tmp_path)
        assert second.undone == list(reversed(range((broken or 0) + 1)))
    else:
        take(second.steps, left, tmp_path)
        assert second.done == onward
        assert second.undone == []


def test_a_step_that_already_holds_is_skipped_and_never_undone(perform: Perform) -> None:
    done: list[str] = []

    def fail(run: Run) -> None:
        raise SeparuhError("broken")

    steps = (
        Step("holds", lambda run: done.append("holds"), verify=lambda run: True, undo=lambda run: done.append("undo")),
        Step("breaks", fail),
    )
    with pytest.raises(Undone):
        perform(steps)
    assert done == []


def test_a_state_that_is_not_reached_within_its_deadline_fails_and_says_what_was_seen(perform: Perform) -> None:
    def verify(run: Run) -> bool:
        raise SeparuhError("the archive is 40 s behind")

    with pytest.raises(Undone, match=r"not reached within 0\.1 s: the archive is 40 s behind"):
        perform((Step("wait", lambda run: None, verify=verify, within=0.1),))


def test_an_optional_step_that_fails_degrades_the_run(perform: Perform) -> None:
    after: list[str] = []

    def fail(run: Run) -> None:
        raise SeparuhError("no space")

    head = perform((Step("expire", fail, optional=True), Step("after", lambda run: after.append("after"))))
    assert [step.outcome for step in head.steps] == ["degraded", "done"]
    assert head.reasons == ["expire: no space"]
    assert after == ["after"]


def test_what_is_remembered_reaches_the_head_before_the_step_goes_on(tmp_path: Path, perform: Perform) -> None:
    def do(run: Run) -> None:
        run.remember("label", "20260101F")
        quorum = json.loads((tmp_path / "quorum").read_text())
        assert Head.parse(quorum["keys"]["/separuh/unit/head"][0]).notes == {"label": "20260101F"}

    perform((Step("label", do),))


def test_a_lost_lease_stops_the_run_before_its_next_step_and_nothing_is_undone_beside_the_new_owner(
    tmp_path: Path, perform: Perform
) -> None:
    second: list[str] = []

    def another_takes_over(run: Run) -> None:
        state = json.loads((tmp_path / "quorum").read_text())
        mine = state["keys"]["/separuh/unit/lease"]
        state["keys"]["/separuh/unit/lease"] = [mine[0].replace("me", "somebody"), mine[1]]
        (tmp_path / "quorum").write_text(json.dumps(state))

    steps = (
        Step("first", another_takes_over, undo=lambda run: second.append("undo")),
        Step("second", lambda run: second.append("second")),
    )
    with pytest.raises(SeparuhError) as failure:
        perform(steps)
    assert isinstance(failure.value.__cause__, LeaseLost)
    assert second == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_undo_and_the_undoing_is_not_interrupted(perform: Perform, number: signal.Signals) -> None:
    undone: list[str] = []

    def undo(run: Run) -> None:
        signal.raise_signal(number)
        undone.append("whole")

    steps = (Step("half", lambda run: signal.raise_signal(number), undo=undo),)
    with pytest.raises(Undone, match=number.name), interruptible():
        perform(steps)
    assert undone == ["whole"]


def test_an_undo_that_fails_leaves_the_rest_undone_and_says_so(perform: Perform) -> None:
    undone: list[str] = []

    def fail(run: Run) -> None:
        raise SeparuhError("stuck")

    steps = (
        Step("one", lambda run: None, undo=lambda run: undone.append("one")),
        Step("two", lambda run: None, undo=fail),
        Step("three", fail),
    )
    with pytest.raises(Failed, match="two: stuck"):
        perform(steps)
    assert undone == ["one"]


def test_the_record_tells_which_steps_were_undone_and_which_failed(perform: Perform) -> None:
    head = new_head()

    def fail(run: Run) -> None:
        raise SeparuhError("broken")

    with pytest.raises(Undone):
        perform((Step("one", lambda run: None, undo=lambda run: None), Step("two", fail)), head)
    assert [(step.title, step.outcome) for step in head.steps] == [("one", "undone"), ("two", "failed")]


@pytest.mark.parametrize("jump", [-86400.0, 86400.0])
def test_a_jump_of_the_wall_clock_moves_neither_durations_nor_deadlines(
    perform: Perform, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    true_time = time.time

    def do(run: Run) -> None:
        time.sleep(0.1)
        monkeypatch.setattr(time, "time", lambda: true_time() + jump)

    polls: list[bool] = []

    def verify(run: Run) -> bool:
        polls.append(True)
        return len(polls) > 2

    head = perform((Step("jumps", do, verify=verify, within=5), Step("after", lambda run: None)))
    assert 0.1 <= head.steps[0].seconds < 30
