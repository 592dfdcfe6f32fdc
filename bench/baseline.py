"""The manual way, as it was measured, as a baseline in the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from runbooks.core.ledger import Record, StepRecord, new_id
from runbooks.core.origin import commit, now, operator


def baseline(
    runbook: str,
    stack: str,
    seconds: float,
    *,
    steps: Mapping[str, float],
    figures: dict[str, Any],
    source: str,
    commands: Sequence[str],
) -> Record:
    """Return the record: median `seconds` of the whole and of each step, from `source`, by `commands`."""
    return Record(
        id=new_id(runbook.replace(" ", "-")),
        runbook=runbook,
        stack=stack,
        operator=operator(),
        commit=commit(),
        change="",
        started_at=now(),
        ended_at=now(),
        seconds=round(seconds, 3),
        outcome="done",
        steps=tuple(StepRecord(title, "implement", round(took, 3), "done") for title, took in steps.items()),
        figures=figures,
        baseline={"source": f"measured: {source}", "commands": list(commands)},
    )
