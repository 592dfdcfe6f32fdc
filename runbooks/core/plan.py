"""What a runbook would do, with its prechecks really asked and nothing changed."""

from __future__ import annotations

from collections.abc import Mapping

from runbooks.core.run import Run, Runbook


def show(runbook: Runbook, run: Run, usual: Mapping[str, float]) -> None:
    """Print each step of `runbook`, its usual seconds, and what it would do. Raises what a precheck raises."""
    console = run.estate.console
    for precheck in runbook.prechecks:
        precheck(run)
    steps = runbook.table(run)
    for number, step in enumerate(steps, start=1):
        seconds = f"about {usual[step.title]:.0f} s" if step.title in usual else "no run measured yet"
        marks = [seconds]
        if step.point_of_no_return:
            marks.append("point of no return")
        elif step.undo is None:
            marks.append("nothing to undo")
        console.print(f"{number}. {step.title} ({', '.join(marks)})")
        step.do(run)
    total = sum(usual.get(step.title, 0.0) for step in steps)
    console.print(f"plan: {len(steps)} steps, about {total:.0f} s; nothing was changed")
