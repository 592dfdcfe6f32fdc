"""One call of `carry_out`, from the lease to the record."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import takewhile
from pathlib import Path

from runbooks.core import spans
from runbooks.core.errors import Exit, NotReady, SeparuhError, Undone
from runbooks.core.hold import hold
from runbooks.core.host import Estate
from runbooks.core.journal import Head, Journal, JournalFull
from runbooks.core.lease import Holder, Lease
from runbooks.core.ledger import Ledger, Record
from runbooks.core.origin import change, find_runbook, now
from runbooks.core.perform import Performance
from runbooks.core.progress import Progress
from runbooks.core.quorum import Quorum
from runbooks.core.report import usual_seconds
from runbooks.core.run import Run, Runbook
from runbooks.core.signals import deaf


class Shift:
    """What one call of `carry_out` has open: the estate, the ledger, and the lease once it is held."""

    def __init__(self, estate: Estate, keepers: tuple[Quorum, Quorum], ledger: Ledger, root: Path) -> None:
        """`keepers` of the lease are the quorum, and the stores; `root` is the checkout. No lease is held yet."""
        self._estate, self._keepers, self._ledger, self._root = estate, keepers, ledger, root
        self._lease: Lease

    def usual(self, runbook: str) -> Mapping[str, float]:
        """Return the median seconds of each step of `runbook`, from the records on this machine."""
        return usual_seconds(self._ledger.all(), runbook)

    def run(self, head: Head, planning: bool = False) -> Run:
        """Return the run that `head` describes."""
        settings, secrets = self._estate.settings, self._estate.secrets
        return Run(
            id=head.id,
            runbook=head.runbook,
            settings=settings,
            secrets=secrets,
            estate=self._estate,
            arguments=head.arguments,
            figures=head.figures,
            notes=head.notes,
            reasons=head.reasons,
            resumed=head.begun > 0,
            planning=planning,
        )

    @contextmanager
    def leased(self, runbook: Runbook, head: Head, wait: bool) -> Iterator[None]:
        """Hold the stack's lease meanwhile."""
        holder = Holder(head.id, head.operator, head.started_at, runbook.title)
        stack, needs_none = self._estate.settings.stack, runbook.without_quorum
        self._lease = hold(stack, self._keepers, holder, wait=wait, without_quorum=needs_none)
        try:
            yield
        finally:
            self._lease.release()

    def resume(self) -> Exit:
        """Finish the run whose runner died, or undo it, and say which; raise Undone or Failed as any run does."""
        found = self._lease.read_head()
        if not found:
            self._say("no dead run: nothing to resume")
            return Exit.DONE
        return self._finish(Head.parse(found))

    def settle_dead_run(self) -> None:
        """Resume before a run of our own, which may go on also where the dead one had to be undone."""
        found = self._lease.read_head()
        if found:
            try:
                self._finish(Head.parse(found))
            except Undone as failure:
                self._say(str(failure))

    def _finish(self, head: Head) -> Exit:
        self._say(f"run {head.id} was left in step {head.begun} by {head.operator}: finishing it")
        return self._take_steps(find_runbook(head.runbook), head)

    def begin(self, runbook: Runbook, head: Head) -> Exit:
        """Look whether all is ready, then take the runbook's steps."""
        run = self.run(head)
        for precheck in runbook.prechecks:
            precheck(run)
        return self._take_steps(runbook, head)

    def _take_steps(self, runbook: Runbook, head: Head) -> Exit:
        run = self.run(head)
        journal = self._opened(run)
        progress = Progress(self._estate.console, self.usual(runbook.name))
        operand = run.arguments.get(runbook.operand, "")
        performance = Performance(run, runbook.table(run), head, journal, self._lease, progress, operand)
        outcome = Exit.FAILED
        try:
            performance.carry_through()
            outcome = Exit.DEGRADED if run.reasons else Exit.DONE
        except SeparuhError as failure:
            outcome = failure.exit
            raise
        finally:
            with deaf():
                self._close(run, head, outcome)
        return outcome

    def _opened(self, run: Run) -> Journal:
        """Return the run's journal, once the disk has taken a line of it; NotReady where it does not."""
        journal = Journal(self._root / ".separuh" / run.settings.stack / "journal", run.id)
        try:
            journal.write("open", runbook=run.runbook, resumed=run.resumed)
        except JournalFull as failure:
            raise NotReady(f"{failure}; nothing was changed") from failure
        return journal

    def _close(self, run: Run, head: Head, outcome: Exit) -> None:
        """Write the run's record, and forget its head unless it must still be finished."""
        record = _record(run, head, outcome)
        missed = self._ledger.append(record)
        if outcome is Exit.FAILED:
            self._fail(head)
        else:
            self._lease.drop_head()
        for line in (*missed, *spans.send(record, run.settings)):
            self._say(line)
        for reason in run.reasons:
            self._say(f"degraded: {reason}")
        seconds = sum(step.seconds for step in head.steps)
        self._say(f"run {run.id}: {_word(outcome)} in {seconds:.1f} s (./inv runs.show {record.id})")

    def _fail(self, head: Head) -> None:
        """Leave a head by which the run is finished from its first step that is not done, with a record of its own."""
        stand = takewhile(lambda step: step.outcome not in ("failed", "undone"), head.steps)
        with contextlib.suppress(SeparuhError):  # a lost lease is why some runs fail
            self._lease.write_head(replace(head, failures=head.failures + 1, steps=list(stand)).dump())

    def _say(self, line: str) -> None:
        self._estate.console.print(line)


def _record(run: Run, head: Head, outcome: Exit) -> Record:
    return Record(
        id=f"{run.id}-{head.failures + 1}" if head.failures else run.id,
        runbook=run.runbook,
        stack=run.settings.stack,
        operator=head.operator,
        commit=head.commit,
        change=change(),
        started_at=head.started_at,
        ended_at=now(),
        seconds=round(sum(step.seconds for step in head.steps), 3),
        outcome=_word(outcome),
        steps=tuple(head.steps),
        figures={**run.figures, **({"resumed": True} if run.resumed else {})},
        reasons=tuple(run.reasons),
    )


def _word(outcome: Exit) -> str:
    return outcome.name.lower().replace("_", " ")
