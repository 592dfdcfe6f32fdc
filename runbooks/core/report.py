"""How long each runbook and step takes against its measured baseline, and against the target: half."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from runbooks.core.ledger import Record, StepRecord

TARGET = 0.5
COUNTED = ("done", "degraded")
HELD = "payments held"  # no step: for how long a move kept customers waiting, against a stall of the baseline
PROVED = "backup and proof"  # no runbook: a backup together with the drill that proved it, as the manual way is one


@dataclass(frozen=True)
class Comparison:
    """One line of the report, in seconds. `step` is empty for the whole runbook; without a baseline, no ratio."""

    runbook: str
    step: str
    runs: int
    last: float
    median: float
    baseline: float | None
    source: str

    @property
    def ratio(self) -> float | None:
        """The median as a part of the baseline."""
        return self.median / self.baseline if self.baseline else None

    @property
    def verdict(self) -> str:
        """Say in words what may be claimed, and no more."""
        if self.ratio is None:
            return "no baseline, so no claim" if not self.step else ""
        met = "target met" if self.ratio <= TARGET else f"target missed: above {TARGET:g}"
        return f"{self.ratio:.2f} of the baseline, {met}"


def compare(records: Iterable[Record]) -> list[Comparison]:
    """Return a line for each runbook, then one for each of its steps, over runs that were taken in one go."""
    records = [*(given := list(records)), *proved(given)]
    lines = []
    for runbook in sorted({record.runbook for record in records}):
        runs = _counted(records, runbook)
        if not runs:
            continue
        baseline = next((r for r in reversed(records) if r.runbook == runbook and r.baseline is not None), None)
        source = str(baseline.baseline.get("source", "")) if baseline and baseline.baseline else ""
        whole = [run.seconds for run in runs]
        lines.append(_line(runbook, "", whole, baseline.seconds if baseline else None, source))
        if held := [max(run.figures["held_seconds"].values()) for run in runs if _was_held(run)]:
            stall = baseline.figures.get("write_stall_seconds") if baseline else None
            lines.append(_line(runbook, HELD, held, stall, source if stall else ""))
        for title, seconds in _by_step(runs).items():
            manual = _by_step([baseline]).get(title) if baseline else None
            lines.append(_line(runbook, title, seconds, manual[-1] if manual else None, source if manual else ""))
    return lines


def proved(records: Sequence[Record]) -> list[Record]:
    """Return each drill that proved a backup as one run with that backup's, of those that count."""
    made = {
        repository["label"]: backup
        for backup in _counted(records, "backup")
        for repository in backup.figures.get("repositories", {}).values()
    }
    pairs = [(made.get(drill.figures.get("backup")), drill) for drill in _counted(records, "restore-drill")]
    return [_together(backup, drill) for backup, drill in pairs if backup]


def _together(backup: Record, drill: Record) -> Record:
    steps = tuple(StepRecord(one.runbook, "implement", one.seconds, "done") for one in (backup, drill))
    return replace(drill, runbook=PROVED, seconds=round(backup.seconds + drill.seconds, 3), steps=steps)


def usual_seconds(records: Iterable[Record], runbook: str) -> Mapping[str, float]:
    """Return the median seconds of each step of `runbook` over the runs that count."""
    return {title: median(seconds) for title, seconds in _by_step(_counted(records, runbook)).items()}


def _line(runbook: str, step: str, seconds: Sequence[float], baseline: float | None, source: str) -> Comparison:
    return Comparison(runbook, step, len(seconds), seconds[-1], median(seconds), baseline, source)


def _counted(records: Iterable[Record], runbook: str) -> list[Record]:
    """Leave out baselines, runs that failed, and resumed runs, whose seconds are of two runners."""
    return [
        record
        for record in records
        if record.runbook == runbook
        and record.baseline is None
        and record.outcome in COUNTED
        and not record.figures.get("resumed")
    ]


def _was_held(run: Record) -> bool:
    """Say whether each gate of a move has told for how long it held payments."""
    held = run.figures.get("held_seconds") or {}
    return bool(held) and None not in held.values()


def _by_step(runs: Sequence[Record]) -> dict[str, list[float]]:
    """Return the seconds of each step that was really taken, in the order of the newest run first seen."""
    steps: dict[str, list[float]] = {}
    for run in runs:
        for step in run.steps:
            if step.outcome == "done":
                steps.setdefault(step.title, []).append(step.seconds)
    return steps
