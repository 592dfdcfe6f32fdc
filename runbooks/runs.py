"""The ledger, read: every run that this machine or either store knows of."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

from rich.table import Table

from infra.settings import ROOT
from runbooks.core.errors import NotReady
from runbooks.core.hint import Screen
from runbooks.core.host import Estate
from runbooks.core.ledger import Ledger, Record
from runbooks.core.session import open_stack


def records_of(stack: str) -> list[Record]:
    """Return the stack's records, local and of both stores, oldest first. A store that is down is named on stderr."""
    settings, secrets = open_stack(stack)
    with Estate(settings, secrets) as estate:
        ledger = Ledger(ROOT, settings.stack, [estate.store(site) for site in settings.sites])
        for missed in ledger.merge():
            print(missed, file=sys.stderr)
        return ledger.all()


def list_runs(stack: str, as_json: bool) -> None:
    """Print one line a run, or the records as they are stored."""
    records = records_of(stack)
    if as_json:
        print(json.dumps([asdict(record) for record in records], indent=2, ensure_ascii=False))
        return
    if not records:
        print("the ledger is empty: no runbook has ended yet on this stack")
        return
    table = Table("run", "runbook", "started (UTC)", "seconds", "outcome", "operator", box=None)
    for record in records:
        name = f"{record.runbook} (baseline)" if record.baseline else record.runbook
        started = record.started_at[:19].replace("T", " ")
        table.add_row(record.id, name, started, f"{record.seconds:.1f}", record.outcome, record.operator)
    Screen(stack).print(table)


def show(stack: str, run_id: str) -> None:
    """Print one run step by step; the beginning of its id is enough. NotReady if none or several are meant."""
    found = [record for record in records_of(stack) if record.id.startswith(run_id)]
    if len(found) != 1:
        several = ": " + ", ".join(record.id for record in found) if found else ""
        raise NotReady(f"{len(found) or 'no'} runs begin with {run_id!r}{several}. ./inv runs lists them")
    (record,) = found
    console = Screen(stack)
    for word, value in asdict(record).items():
        if word not in ("steps", "figures", "baseline", "reasons") and value != "":
            console.print(f"{word:<12} {value}")
    table = Table("step", "stage", "seconds", "outcome", box=None)
    for step in record.steps:
        table.add_row(step.title, step.stage, f"{step.seconds:.1f}", step.outcome)
    console.print(table)
    for reason in record.reasons:
        console.print(f"degraded: {reason}")
    for word, value in {**record.figures, **(record.baseline or {})}.items():
        console.print(f"{word:<28} {value}")
