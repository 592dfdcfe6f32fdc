"""The run in progress, written so that it survives its runner: every line on disk, and the head beside the lease."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runbooks.core.errors import Undone
from runbooks.core.ledger import StepRecord


class JournalFull(Undone):
    """The journal cannot be written, and a run that leaves no trace may not go on."""


@dataclass
class Head:
    """All that another runner needs to finish or undo a run. `begun` steps were begun, the last perhaps half done.

    `failures` is how often it has ended failed, with a record in the ledger each time.
    """

    id: str
    runbook: str
    arguments: dict[str, str]
    started_at: str
    operator: str
    commit: str
    begun: int = 0
    failures: int = 0
    past_return: bool = False
    notes: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    steps: list[StepRecord] = field(default_factory=list)

    def onward(self, operand: str) -> str:
        """Return what is typed to go on; `operand` is what is typed behind the verb without an option, if anything."""
        return " ".join(filter(None, ("./inv", self.runbook, operand, "--resume")))

    def dump(self) -> str:
        """Return the head as one line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, line: str) -> Head:
        """Return the head that `dump` wrote."""
        values = json.loads(line)
        return cls(**{**values, "steps": [StepRecord(**step) for step in values["steps"]]})


class Journal:
    """`.separuh/<stack>/journal/<run id>.jsonl`: one line before and after each step, on disk at once."""

    def __init__(self, directory: Path, run_id: str) -> None:
        """Name the run's file; a resumed run appends to its own."""
        self.path = directory / f"{run_id}.jsonl"

    def write(self, event: str, **values: Any) -> None:
        """Append one line and wait until the disk has it; JournalFull if it does not take it."""
        line = json.dumps({"at": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **values})
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a") as file:
                file.write(line + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise JournalFull(
                f"the journal {self.path} on this machine cannot be written: {error.strerror}. Make room there, or "
                "run it from another machine"
            ) from error
