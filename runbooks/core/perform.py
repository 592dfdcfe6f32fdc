"""Taking the steps of one run: forward, and back when one fails."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from typing import Any

from runbooks.core.errors import Failed, NotVerified, SeparuhError, Undone
from runbooks.core.journal import Head, Journal, JournalFull
from runbooks.core.lease import Lease
from runbooks.core.ledger import StepRecord
from runbooks.core.progress import Progress, Stopwatch
from runbooks.core.run import Run, Step
from runbooks.core.signals import Interrupted, deaf

POLL_SECONDS = 0.5


class Performance:
    """One run's steps being taken. `lease` is None where there is no quorum yet (a founding runbook)."""

    def __init__(
        self,
        run: Run,
        steps: tuple[Step, ...],
        head: Head,
        journal: Journal,
        lease: Lease | None,
        progress: Progress,
        operand: str = "",
    ) -> None:
        """`head` says how far an earlier runner came; a new run's says nothing was begun.

        `operand` is what is typed behind the verb to go on.
        """
        self._operand = operand
        self._run, self._steps, self._head = run, steps, head
        self._journal, self._lease, self._progress = journal, lease, progress
        self._watch = Stopwatch()
        run.keep = self._keep

    def carry_through(self) -> None:
        """Take every step that is not done yet.

        Raises Undone when a step failed and all was taken back, Failed when it cannot be taken back.
        """
        try:
            for index in range(len(self._head.steps), len(self._steps)):
                self._take(index)
        except BaseException as failure:
            with deaf():
                step = self._steps[len(self._head.steps)]
                record = self._timed(step, "failed")
                error = self._take_back(failure)
                self._head.steps.append(record)
            raise error from failure

    def _take(self, index: int) -> None:
        step, self._watch = self._steps[index], Stopwatch()
        if self._lease:
            self._lease.check()
        with self._progress.step(self._number(index), step.title):
            outcome = self._outcome(index, step)
        self._ended(index, self._timed(step, outcome))

    def _timed(self, step: Step, outcome: str) -> StepRecord:
        return StepRecord(step.title, step.stage, self._watch.seconds, outcome, self._watch.started_at)

    def _outcome(self, index: int, step: Step) -> str:
        half_done = index < self._head.begun
        if holds(step, self._run):
            self._head.past_return |= step.point_of_no_return
            return "done" if half_done else "skipped"
        self._head.begun = max(self._head.begun, index + 1)
        self._head.past_return |= step.point_of_no_return
        self._journal.write("begin", step=index + 1, title=step.title)
        self._keep()
        try:
            step.do(self._run)
            wait_until_holds(step, self._run)
        except SeparuhError as failure:
            if not step.optional:
                raise
            self._run.degraded(f"{step.title}: {failure}")
            if step.undo:
                step.undo(self._run)
            return "degraded"
        return "done"

    def _ended(self, index: int, record: StepRecord) -> None:
        self._journal.write("end", step=index + 1, title=record.title, outcome=record.outcome, seconds=record.seconds)
        self._head.begun = max(self._head.begun, index + 1)
        self._head.steps.append(record)
        self._progress.ended(self._number(index), record.title, record.seconds, record.outcome)

    def _take_back(self, failure: BaseException) -> SeparuhError:
        """Undo what was done and return Undone, or Failed where that is not safe or did not succeed."""
        index = len(self._head.steps)
        title = self._steps[index].title
        told = isinstance(failure, SeparuhError | Interrupted)
        said = str(failure) if told else f"{type(failure).__name__}: {failure}"
        self._note("failed", step=index + 1, title=title, error=said)
        self._progress.say(f"{self._number(index):>6} {title}: {said}")
        onward = f"{self._head.onward(self._operand)} --stack {self._run.settings.stack}"
        what = f"step {self._number(index)} of run {self._run.id}, {title!r}, failed: {said}"
        if self._head.past_return:
            return Failed(f"{what}\nThis is past the point of no return: nothing was undone. Go on with {onward}")
        if self._lease and not self._lease.regain(self._head.id):
            return Failed(f"{what}\nThe lease was lost, so nothing was undone. Go on with {onward}")
        failed = self._undo()
        if failed:
            return Failed("\n".join((what, "Not all of it could be undone:", *failed, f"Try again with {onward}")))
        return Undone(f"{what}\nAll that was done was undone; when the cause is mended, run it again")

    def _undo(self) -> list[str]:
        """Undo in reverse what this run did, the half-done step included; return what could not be."""
        failed = []
        for index in reversed(range(self._head.begun)):
            step = self._steps[index]
            ours = index >= len(self._head.steps) or self._head.steps[index].outcome == "done"
            if not (ours and step.undo):
                continue
            watch = Stopwatch()
            self._note("undo", step=index + 1, title=step.title)
            try:
                step.undo(self._run)
            except Exception as error:
                failed.append(f"{step.title}: {error}")
                continue
            if index < len(self._head.steps):
                self._head.steps[index] = replace(self._head.steps[index], outcome="undone")
            self._note("undone", step=index + 1, title=step.title, seconds=watch.seconds)
            self._progress.ended(self._number(index), step.title, watch.seconds, "undone")
        return failed

    def _note(self, event: str, **values: Any) -> None:
        """Write down what is taken back; a journal that takes no more is no reason to leave it half done."""
        with contextlib.suppress(JournalFull):
            self._journal.write(event, **values)

    def _number(self, index: int) -> str:
        return f"{index + 1}/{len(self._steps)}"

    def _keep(self) -> None:
        head, run = self._head, self._run
        head.notes, head.figures, head.reasons = run.notes, run.figures, run.reasons
        self._journal.write("head", head=head.dump())
        if self._lease:
            self._lease.write_head(head.dump())


def holds(step: Step, run: Run) -> bool:
    """Say whether the step's state is reached; a step without a verify never says so by itself."""
    if step.verify is None:
        return False
    try:
        return step.verify(run) is not False
    except SeparuhError:
        return False


def wait_until_holds(step: Step, run: Run) -> None:
    """Ask the step's verify until it holds. NotVerified, with what it said last, when `within` seconds have passed."""
    if step.verify is None:
        return
    deadline = time.monotonic() + step.within
    while True:
        said: SeparuhError | None = None
        try:
            if step.verify(run) is not False:
                return
        except SeparuhError as error:
            said = error
        if time.monotonic() >= deadline:
            raise NotVerified(f"not reached within {step.within:g} s" + (f": {said}" if said else ""))
        time.sleep(POLL_SECONDS)
