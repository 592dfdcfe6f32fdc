"""How far maintenance has come down: each runbook and step against its measured baseline and the target."""

from __future__ import annotations

import json
from dataclasses import asdict

from rich.table import Table

from runbooks.core.errors import NotReady
from runbooks.core.hint import Screen
from runbooks.core.report import TARGET, Comparison, compare
from runbooks.runs import records_of


def report(stack: str, runbook: str, as_json: bool) -> None:
    """Print the comparison; without a baseline it makes no claim. NotReady for a runbook that never ran."""
    records = records_of(stack)
    lines = [line for line in compare(records) if runbook in ("", line.runbook)]
    if not lines:
        what = f"runbook {runbook!r} has" if runbook else "no runbook has"
        raise NotReady(f"{what} no run that counts in the ledger yet: there is nothing to compare")
    if as_json:
        print(json.dumps([{**asdict(line), "ratio": line.ratio, "target": TARGET} for line in lines], indent=2))
        return
    table = Table("runbook, step", "runs", "last s", "median s", "baseline s", "ratio", "", box=None)
    for line in lines:
        table.add_row(*_cells(line), style="bold" if not line.step else "")
    console = Screen(stack)
    console.print(table)
    for source in sorted({f"{line.runbook}: baseline from {line.source}" for line in lines if line.source}):
        console.print(source)


def _cells(line: Comparison) -> tuple[str, ...]:
    name = f"  {line.step}" if line.step else line.runbook
    baseline = f"{line.baseline:.1f}" if line.baseline else "-"
    ratio = f"{line.ratio:.2f}" if line.ratio is not None else "-"
    return name, str(line.runs), f"{line.last:.1f}", f"{line.median:.1f}", baseline, ratio, line.verdict
