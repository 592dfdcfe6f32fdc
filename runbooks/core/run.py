"""What a runbook is made of: steps in a table, and the run that they are handed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from infra.settings import Settings
from runbooks.core.host import Estate

if TYPE_CHECKING:
    from infra.secrets import Secrets

Stage = Literal["identify", "analyse", "plan", "implement", "test", "document", "monitor"]


@dataclass
class Run:
    """One carrying-out of a runbook, as its prechecks and steps see it.

    `arguments` and what `remember` is given survive the death of the runner: they are all that a resumed run has.
    `figures` go into the ledger. `resumed`: an earlier runner died in this run, and may have left programs running.
    """

    id: str
    runbook: str
    settings: Settings
    secrets: Secrets
    estate: Estate
    arguments: Mapping[str, str] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    resumed: bool = False
    planning: bool = False
    keep: Callable[[], None] = lambda: None

    def remember(self, key: str, value: Any) -> None:
        """Keep `value` (anything JSON can hold) for the steps to come, whoever carries them out."""
        if key not in self.notes or self.notes[key] != value:
            self.notes[key] = value
            self.keep()

    def recall(self, key: str, default: Any = None) -> Any:
        """Return what was remembered under `key`, else `default`."""
        return self.notes.get(key, default)

    def degraded(self, reason: str) -> None:
        """Let the run end `degraded` instead of `done`; `reason` is said at its end and kept in its record."""
        if reason not in self.reasons:
            self.reasons.append(reason)


Act = Callable[[Run], None]
Check = Callable[[Run], bool | None]


@dataclass(frozen=True)
class Step:
    """One line of a runbook.

    `verify` says whether the state is reached: False or a SeparuhError means not yet, and it is asked again for
    `within` seconds after `do`. It is asked before `do` as well, and a step that already holds is skipped; so it may
    not rely on `do` having run. `undo` is idempotent and may meet a half-done or a never begun step. The failure of
    an `optional` step leaves the run degraded. From a `point_of_no_return` on, nothing is undone.
    """

    title: str
    do: Act
    verify: Check | None = None
    undo: Act | None = None
    _: KW_ONLY
    stage: Stage = "implement"
    within: float = 60
    point_of_no_return: bool = False
    optional: bool = False


@dataclass(frozen=True)
class Runbook:
    """A procedure. `steps` may be made from the run, from nothing but its settings, arguments and notes.

    Prechecks raise NotReady; they run for real while planning. `without_quorum`: made for the day on which there is
    none, so that its lease may be held by the stores alone. `operand`: the argument that is typed without an option.
    """

    name: str
    title: str
    prechecks: tuple[Act, ...]
    steps: tuple[Step, ...] | Callable[[Run], tuple[Step, ...]]
    _: KW_ONLY
    touches_serving: bool = False
    without_quorum: bool = False
    operand: str = ""

    def table(self, run: Run) -> tuple[Step, ...]:
        """Return the steps of `run`."""
        return self.steps(run) if callable(self.steps) else self.steps
