"""The credit system's own database, through psql on its leader: what to load, what can be paid, whether it adds up."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from runbooks.adapters.borrowers import Borrower
from runbooks.core.command import Command, Query

SEEDED_BELOW = 1_000_000_000  # the service numbers its own accounts and loans from here
PIECE = 5_000  # lines sent at once

# What follows from the loans of one range: their schedules, and the ledger up to the seeded world's day.
FOLLOWS = """
CREATE TEMP TABLE range AS SELECT *, principal / months AS part FROM loan WHERE id BETWEEN {first} AND {last};
ANALYZE range;
INSERT INTO instalment SELECT r.id, s.* FROM range AS r, schedule(r.principal, r.interest, r.months, r.granted_on) AS s;
INSERT INTO posting SELECT id, 0, 'receivable', 'cash', principal, granted_on FROM range;
CREATE TEMP TABLE paid AS
    SELECT i.* FROM instalment AS i JOIN range AS r ON r.id = i.loan_id
    WHERE i.loan_id BETWEEN {first} AND {last} AND i.number * r.part <= r.principal - r.outstanding;
INSERT INTO payment SELECT 'seed-' || loan_id || '-' || number, loan_id, number, principal + interest, due_on FROM paid;
INSERT INTO posting SELECT loan_id, number, 'cash', 'receivable', principal, due_on FROM paid;
INSERT INTO posting SELECT loan_id, number, 'cash', 'interest', interest, due_on FROM paid WHERE interest > 0;
COMMIT;
"""

# One unpaid instalment a loan after another, from a loan at random, so that two probes rarely meet.
PAYABLE = """
WITH start AS (SELECT floor(random() * max(id))::bigint AS id FROM loan WHERE outstanding > 0),
picked AS (
    SELECT l.id FROM loan AS l, start WHERE l.outstanding > 0 ORDER BY (l.id < start.id), l.id LIMIT {count}
)
SELECT i.loan_id, i.number, i.amount
FROM picked, LATERAL (
    SELECT s.loan_id, s.number, s.principal + s.interest AS amount, row_number() OVER (ORDER BY s.number) AS turn
    FROM instalment AS s
    WHERE s.loan_id = picked.id
    AND NOT EXISTS (SELECT FROM payment AS p WHERE p.loan_id = s.loan_id AND p.number = s.number)
) AS i
ORDER BY i.turn, i.loan_id LIMIT {count}
"""

# Once a line: a key twice in the file is one payment claimed twice.
CHECK = """
SELECT json_build_object(
    'acknowledged', count(*),
    'lost', count(*) FILTER (WHERE p.key IS NULL),
    'altered', count(*) FILTER (WHERE (p.loan_id, p.number, p.amount) <> (a.loan_id, a.number, a.amount)),
    'misposted', count(*) FILTER (WHERE p.key IS NOT NULL AND p.amount IS DISTINCT FROM t.amount),
    'twice', count(*) - count(DISTINCT a.key),
    'unacknowledged', (SELECT count(*) FROM payment AS u WHERE u.key LIKE :'run' || '-%'
                       AND NOT EXISTS (SELECT FROM acknowledged AS k WHERE k.key = u.key)),
    'problems', {problems}
)
FROM acknowledged AS a LEFT JOIN payment AS p ON p.key = a.key
LEFT JOIN LATERAL (
    SELECT sum(g.amount) AS amount FROM posting AS g WHERE g.loan_id = p.loan_id AND g.number = p.number
) AS t ON true;
"""
BOOKS = "(SELECT coalesce(json_agg(b.problem || ': ' || b.found), '[]') FROM books() AS b)"


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What the database says of the payments that a probe saw acknowledged; every count but the first should be 0.

    `unacknowledged` payments are there although their client never heard so; that is allowed. `problems` are those
    of the books as a whole, in words, where they were looked at.
    """

    acknowledged: int
    lost: int
    altered: int
    misposted: int
    twice: int
    unacknowledged: int
    problems: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether each acknowledged payment is there exactly once with its amount, and the books balance."""
        return not (self.lost or self.altered or self.misposted or self.twice or self.problems)


def _psql(database: str, *variables: str, **options: Any) -> Command[Any]:
    settings = [part for variable in ("ON_ERROR_STOP=1", *variables) for part in ("--set", variable)]
    return Command(argv=("psql", "-XAtq", *settings, "--dbname", database), **options)


def load(database: str, within: float) -> Command[str]:
    """Return the psql that takes `loading` on its stdin."""
    return _psql(database, within=within)


def loading(people: Iterable[Borrower], first: int, last: int) -> Iterator[bytes]:
    """Yield one transaction that loads the loans `first` to `last`, which are those of `people`."""
    people = list(people)
    # Foreign keys hold here by construction, and checking them a row at a time takes half of the time.
    yield b"BEGIN;\nSET LOCAL session_replication_role = replica;\n"
    yield b"COPY account (id, holder, city, phone, opened_at) FROM STDIN;\n"
    yield from _pieces([person.account_row() for person in people])
    yield b"\\.\nCOPY loan FROM STDIN;\n"
    yield from _pieces([person.loan_row() for person in people])
    yield b"\\.\n" + FOLLOWS.format(first=first, last=last).encode()


def _pieces(lines: list[str]) -> Iterator[bytes]:
    for start in range(0, len(lines), PIECE):
        yield "".join(lines[start : start + PIECE]).encode()


def seeded(database: str, first: int, last: int) -> Query[int]:
    """Ask how many of the loans `first` to `last` are there; they are loaded in order."""
    sql = f"SELECT count(*) FROM loan WHERE id BETWEEN {int(first)} AND {int(last)}"  # noqa: S608  both are integers
    return Query(sql=sql, parse=_count, database=database)


def counts(database: str) -> Query[Mapping[str, int]]:
    """Ask how many rows each table holds."""
    tables = ("account", "loan", "instalment", "payment", "posting")
    sql = " UNION ALL ".join(f"SELECT '{table}', count(*) FROM {table}" for table in tables)  # noqa: S608
    return Query(sql=sql, parse=lambda rows: {str(t): int(n or 0) for t, n in rows}, database=database, within=60)


def problems(database: str) -> Query[list[str]]:
    """Ask what keeps the books from balancing: nothing, or a line a problem."""
    return Query(
        sql="SELECT problem, found FROM books()",
        parse=lambda rows: [f"{problem}: {found}" for problem, found in rows],
        database=database,
        within=120,
    )


def payable(database: str, count: int) -> Query[list[tuple[int, int, int]]]:
    """Ask for up to `count` unpaid instalments: loan, number and amount in rupiah."""
    return Query(
        sql=PAYABLE.format(count=int(count)),
        parse=lambda rows: [(int(loan or 0), int(number or 0), int(amount or 0)) for loan, number, amount in rows],
        database=database,
        within=60,
    )


def audit(database: str, run: str, acknowledged: str, books: bool = True) -> Command[Audit]:
    """Look for every payment of the probe `run`; `acknowledged` has key, loan, number and amount a line, by tabs.

    The `books` as a whole are looked at too, which reads all that there is.
    """
    copy = (
        "CREATE TEMP TABLE acknowledged (key text, loan_id bigint, number integer, amount bigint);\n"
        f"COPY acknowledged FROM STDIN;\n{acknowledged}\\.\nANALYZE acknowledged;\n"
    )
    check = CHECK.format(problems=BOOKS if books else "'[]'::json")
    return _psql(database, f"run={run}", stdin=copy + check, parse=_audit, within=120)


def _count(rows: list[tuple[str | None, ...]]) -> int:
    return int(rows[0][0] or 0)


def _audit(output: str) -> Audit:
    found = json.loads(output)
    return Audit(**{**found, "problems": tuple(found["problems"])})
