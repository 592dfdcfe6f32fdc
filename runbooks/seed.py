"""Fill a stack's database with plausible Indonesian borrowers: what is there already is left as it is."""

from __future__ import annotations

import time
from functools import partial

from runbooks.adapters import credit
from runbooks.adapters.borrowers import borrowers
from runbooks.core.errors import CommandFailed, Exit, NotReady, NotVerified
from runbooks.core.leader import leader
from runbooks.core.procedure import Run, Runbook, Step, carry_out
from runbooks.core.session import open_stack

PORTION = 25_000  # loans in one transaction; each portion costs seven more calls to look before and after


def seed(stack: str, loans: int, plan: bool = False) -> Exit:
    """Have at least `loans` seeded loans, their accounts, schedules and first payments, on `stack`."""
    if not 0 < loans < credit.SEEDED_BELOW:
        raise NotReady(f"--loans must be from 1 to {credit.SEEDED_BELOW - 1}")
    settings, secrets = open_stack(stack)
    return carry_out(SEED, settings, secrets, plan=plan, arguments={"loans": str(loans)})


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


def load(first: int, last: int, run: Run) -> None:
    """Load what is missing of a portion, in one transaction."""
    host, database = leader(run.estate), run.settings.cluster
    begin = first + host.ask(credit.seeded(database, first, last))
    started = time.monotonic()
    host.do(credit.load(database, within=300), feed=credit.loading(borrowers(begin, last), begin, last))
    run.figures["loans"] = run.figures.get("loans", 0) + last - begin + 1
    run.figures["load_seconds"] = round(run.figures.get("load_seconds", 0.0) + time.monotonic() - started, 3)


def loaded(first: int, last: int, run: Run) -> bool:
    """Tell whether a portion is whole."""
    return leader(run.estate).ask(credit.seeded(run.settings.cluster, first, last)) == last - first + 1


def balance(run: Run) -> None:
    """Check the books, and say what is there."""
    host, database = leader(run.estate), run.settings.cluster
    if found := host.ask(credit.problems(database)):
        raise NotVerified(f"the books of {host.name} do not balance: {'; '.join(found)}")
    rows = host.ask(credit.counts(database))
    run.figures["rows"] = dict(rows)
    run.estate.console.print(", ".join(f"{count} {table}s" for table, count in rows.items()) + "; the books balance")


def steps(run: Run) -> tuple[Step, ...]:
    """One step a portion, each a transaction that leaves nothing to undo, then the books."""
    loans = int(run.arguments["loans"])
    portions = [(first, min(loans, first + PORTION - 1)) for first in range(1, loans + 1, PORTION)]
    return (
        *(
            Step(f"Load loans {first} to {last}", partial(load, first, last), partial(loaded, first, last), within=10)
            for first, last in portions
        ),
        Step("Check that the books balance", balance, stage="test"),
    )


SEED = Runbook("seed", "Fill the database with plausible borrowers", (not_production, schema_made), steps)
