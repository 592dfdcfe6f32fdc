"""The report claims nothing without a baseline, and says so when the target is missed."""

from __future__ import annotations

from dataclasses import replace

from runbooks.core.ledger import StepRecord
from runbooks.core.report import HELD, PROVED, compare, proved, usual_seconds
from tests.core.test_ledger import RECORD

BASELINE = replace(
    RECORD,
    id="20260101T000009Z-backup-manual",
    seconds=100.0,
    steps=(StepRecord("Take it", "implement", 80.0, "done"),),
    baseline={"source": "bench/backup.py"},
)


def run(number: int, seconds: float, outcome: str = "done", step: str = "done", resumed: bool = False) -> object:
    """Return a record of a run of so many seconds."""
    return replace(
        RECORD,
        id=f"20260102T{number:06d}Z-backup-aaaaaa",
        seconds=seconds,
        outcome=outcome,
        steps=(StepRecord("Take it", "implement", seconds - 1, step),),
        figures={"resumed": True} if resumed else {},
    )


def test_without_a_baseline_no_claim_is_made() -> None:
    whole, step = compare([run(1, 10)])  # type: ignore[list-item]
    assert whole.ratio is None
    assert whole.verdict == "no baseline, so no claim"
    assert step.verdict == ""


def test_the_median_is_compared_with_the_baseline() -> None:
    whole, step = compare([BASELINE, run(1, 10), run(2, 40), run(3, 20)])  # type: ignore[list-item]
    assert (whole.runs, whole.last, whole.median, whole.baseline) == (3, 20, 20, 100.0)
    assert whole.verdict == "0.20 of the baseline, target met"
    assert (step.baseline, step.median, step.source) == (80.0, 19, "bench/backup.py")


def test_a_ratio_above_the_target_is_said_plainly() -> None:
    whole, _ = compare([BASELINE, run(1, 51)])  # type: ignore[list-item]
    assert whole.verdict == "0.51 of the baseline, target missed: above 0.5"


def test_what_customers_wait_for_in_a_move_is_a_line_of_its_own() -> None:
    """At the site where it was longest; a gate that told nothing is no figure."""
    manual = replace(BASELINE, figures={"write_stall_seconds": 6.0})
    told = [{"one": 0.5, "two": 0.9}, {"one": 0.7, "two": 0.7}, {"one": 0.1, "two": None}, {}]
    runs = [replace(RECORD, id=f"{n}", seconds=15.0, figures={"held_seconds": held}) for n, held in enumerate(told)]
    held = next(line for line in compare([manual, *runs]) if line.step == HELD)
    assert (held.runs, held.last, held.baseline) == (2, 0.7, 6.0)
    assert held.verdict == "0.13 of the baseline, target met"


def test_failed_and_resumed_runs_and_skipped_steps_do_not_count() -> None:
    records = [run(1, 10), run(2, 99, "undone"), run(3, 99, resumed=True), run(4, 12, step="skipped")]
    whole, step = compare([BASELINE, *records])  # type: ignore[list-item]
    assert (whole.runs, whole.median) == (2, 11)
    assert step.runs == 1
    assert usual_seconds(records, "backup") == {"Take it": 9}  # type: ignore[arg-type]


def test_a_backup_and_the_drill_that_proved_it_are_one_claim() -> None:
    """Only a drill of that very backup; one of a backup that the ledger does not know is no pair."""
    figures = {"repositories": {"one": {"label": "A1"}, "two": {"label": "A2"}}}
    backup = replace(RECORD, id="b", runbook="backup", seconds=20.0, figures=figures)
    drills = [
        replace(RECORD, id=label, runbook="restore-drill", seconds=seconds, figures={"backup": label})
        for label, seconds in (("A2", 15.0), ("B1", 99.0))
    ]
    manual = replace(BASELINE, runbook=PROVED, seconds=100.0)
    (whole,) = [line for line in compare([manual, backup, *drills]) if (line.runbook, line.step) == (PROVED, "")]
    assert (whole.runs, whole.median, whole.ratio) == (1, 35.0, 0.35)


def test_a_drill_that_failed_proved_nothing() -> None:
    figures = {"repositories": {"one": {"label": "A1"}}}
    backup = replace(RECORD, id="b", runbook="backup", figures=figures)
    drill = replace(RECORD, id="d", runbook="restore-drill", outcome="failed and undone", figures={"backup": "A1"})
    assert proved([backup, drill]) == []
