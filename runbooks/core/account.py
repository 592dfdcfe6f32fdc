"""A verb that is no table of steps, in the ledger all the same: what it does is timed, and recorded at its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from infra.say import say_on_stderr as say
from infra.secrets import Secrets
from infra.settings import ROOT, Settings, SettingsError
from runbooks.core import spans
from runbooks.core.errors import Exit, LeaseHeld, NotReady
from runbooks.core.host import Estate
from runbooks.core.ledger import Ledger, Record, StepRecord, new_id
from runbooks.core.origin import change, commit, now, operator
from runbooks.core.progress import Stopwatch
from runbooks.core.run import Stage


class Account:
    """The steps of one verb. `reasons`, where there are any, make its end a degraded one."""

    def __init__(self, verb: str, settings: Settings) -> None:
        """Begin now."""
        self.reasons: list[str] = []
        self._verb, self._settings, self._id, self._started_at = verb, settings, new_id(verb), now()
        self._steps: list[StepRecord] = []

    @contextmanager
    def step(self, title: str, stage: Stage = "implement") -> Iterator[None]:
        """Time what is done meanwhile."""
        watch, outcome = Stopwatch(), "failed"
        try:
            yield
            outcome = "done"
        finally:
            self._steps.append(StepRecord(title, stage, watch.seconds, outcome, watch.started_at))

    def record(self, outcome: Exit) -> Record:
        """Return what was done as the ledger keeps it."""
        return Record(
            id=self._id,
            runbook=self._verb,
            stack=self._settings.stack,
            operator=operator(),
            commit=commit(),
            change=change(),
            started_at=self._started_at,
            ended_at=now(),
            seconds=round(sum(step.seconds for step in self._steps), 3),
            outcome=outcome.name.lower(),
            steps=tuple(self._steps),
            reasons=tuple(self.reasons),
        )


@contextmanager
def accounted(verb: str, settings: Settings) -> Iterator[Account]:
    """Record here what `verb` does, unless it refuses to begin: before an `up` and after a `down` no store stands."""
    account, outcome = Account(verb, settings), Exit.FAILED
    try:
        yield account
        outcome = Exit.DEGRADED if account.reasons else Exit.DONE
    except (NotReady, LeaseHeld, SettingsError):
        outcome = Exit.NOT_READY
        raise
    finally:
        if outcome is not Exit.NOT_READY:
            record = account.record(outcome)
            for line in (*Ledger(ROOT, settings.stack).append(record), *spans.send(record, settings)):
                say(line)


def take_along(settings: Settings, secrets: Secrets) -> None:
    """Copy to the stores what only this machine has of the ledger: a pipeline's is thrown away."""
    with Estate(settings, secrets) as estate:
        for line in Ledger(ROOT, settings.stack, [estate.store(site) for site in settings.sites]).push():
            say(line)
