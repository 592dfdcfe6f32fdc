"""Fill a stack's database with plausible Indonesian borrowers: what is there already is left as it is."""

from __future__ import annotations

import time

from runbooks.adapters import credit
from runbooks.adapters.borrowers import borrowers
from runbooks.core.errors import CommandFailed, Exit, NotReady, NotVerified
from runbooks.core.leader import leader
from runbooks.core.procedure import Run, Runbook, Step, carry_out
from runbooks.core.session import open_stack

PORTION = 25_000  # loans in one transaction


def seed(stack: str, loans: int, plan: bool = False, resume: bool = False) -> Exit:
    """Have at least `loans` seeded loans, their accounts, schedules and first payments, on `stack`."""
    if not 0 < loans < credit.SEEDED_BELOW:
        raise NotReady(f"--loans must be from 1 to {credit.SEEDED_BELOW - 1}")
    settings, secrets = open_stack(stack)
    return carry_out(SEED, settings, secrets, plan=plan, resume=resume, arguments={"loans": str(loans)})


def not_production(run: Run) -> None:
    """Refuse to put people who do not exist beside those who do."""
    if run.settings.production:
        raise NotReady(f"stack {run.settings.stack} is marked production: it is never seeded")


def schema_made(run: Run) -> None:
    """Refuse where the service has not made its schema."""
    try:
        leader(run.estate).ask(credit.seeded(run.settings.cluster, 1, 1))
    except CommandFailed as failure:
        raise NotReady(
            f"{failure}\nis the schema there? the api containers make it at first boot: ./inv status"
        ) from failure


def load(run: Run) -> None:
    """Load what is missing, in order, a portion a transaction."""
    host, database, wanted = leader(run.estate), run.settings.cluster, int(run.arguments["loans"])
    there = host.ask(credit.seeded(database, 1, wanted))
    started = time.monotonic()
    for first in range(there + 1, wanted + 1, PORTION):
        last = min(wanted, first + PORTION - 1)
        host.do(credit.load(database, within=300), feed=credit.loading(borrowers(first, last), first, last))
    run.figures["loans"] = wanted - there
    run.figures["load_seconds"] = round(time.monotonic() - started, 3)


def loaded(run: Run) -> bool:
    """Tell whether every loan is there."""
    wanted = int(run.arguments["loans"])
    return leader(run.estate).ask(credit.seeded(run.settings.cluster, 1, wanted)) == wanted


def balance(run: Run) -> None:
    """Check the books, and say what is there."""
    host, database = leader(run.estate), run.settings.cluster
    if found := host.ask(credit.problems(database)):
        raise NotVerified(f"the books of {host.name} do not balance: {'; '.join(found)}")
    rows = host.ask(credit.counts(database))
    run.figures["rows"] = dict(rows)
    run.estate.console.print(", ".join(f"{count} {table}s" for table, count in rows.items()) + "; the books balance")


STEPS = (
    Step("Load the loans that are missing", load, loaded, within=10),  # each portion is whole or not at all: no undo
    Step("Check that the books balance", balance, stage="test"),
)

SEED = Runbook("seed", "Fill the database with plausible borrowers", (not_production, schema_made), STEPS)
