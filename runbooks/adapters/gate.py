"""The gate in a pooler's container, which holds a site's payments while the leader moves: infra/images/pooler/gate."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Literal

from runbooks.core.command import Command

State = Literal["none", "starting", "waiting", "gone", "holding", "moved", "late", "failed"]
WAITING: State = "waiting"
NO_PROGRAM = 127  # what the call of a program ends with where there is none


@dataclass(frozen=True, kw_only=True)
class Held:
    """The gate of the last run that had one here. `told`: by the leader, before it stopped.

    `held` are the seconds for which payments were held; of these `quiet` until no transaction was under way, and
    `leader` until the route led to another leader that takes writes. None where it did not come to that.
    """

    run: str = ""
    state: State = "none"
    told: bool = False
    why: str = ""
    held: float | None = None
    quiet: float | None = None
    leader: float | None = None


@dataclass(frozen=True, kw_only=True)
class Passage:
    """How a site's way to the leader stands. `paused`: its pooler holds payments.

    `trouble` says why its route leads to no leader, "" where it does. `dated`: the pooler's image is from before there
    was a gate, so that nothing else is known.
    """

    paused: bool
    trouble: str
    gate: Held = field(default_factory=Held)
    dated: bool = False


def look() -> Command[Passage]:
    """Ask a pooler, and its site's route, from inside the pooler's container."""
    return Command(argv=("gate", "look"), parse=_passage, within=8, ok=(0, NO_PROGRAM))


def wait(run: str, hold: int, patience: int) -> Command[str]:
    """Have a gate wait for the leader's word, at most `patience` seconds; it then holds payments for `hold` at most."""
    return Command(argv=("gate", "wait", run, str(hold), str(patience)), within=15)


def dismiss() -> Command[str]:
    """End the gate, whatever it does, and let payments go on; none there is no error."""
    return Command(argv=("gate", "dismiss"), within=15)


def resume() -> Command[str]:
    """Let payments go on; that they were not held is no error."""
    return Command(argv=("gate", "resume"), within=15)


def _passage(output: str) -> Passage:
    if not output:
        return Passage(paused=False, trouble="", dated=True)
    said = json.loads(output)
    return Passage(paused=said["paused"], trouble=said["trouble"], gate=_held(said["gate"] or {}))


def _held(said: dict[str, object]) -> Held:
    seconds = said.get("seconds")
    values = {**said, **(seconds if isinstance(seconds, dict) else {})}
    return Held(**{name: values[name] for name in Held.__dataclass_fields__ if name in values})
