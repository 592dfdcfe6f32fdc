"""Seeding and auditing through psql in a container, as the runbooks do it."""

from __future__ import annotations

import io

import psycopg
import pytest
from docker.models.containers import Container
from rich.console import Console

from runbooks.adapters import credit
from runbooks.adapters.borrowers import borrowers
from runbooks.core.connection import Local
from runbooks.core.errors import CommandFailed
from runbooks.core.host import Host

pytestmark = pytest.mark.drill

LOANS = 300


@pytest.fixture(scope="module")
def host(database: Container, dsn: str) -> Host:
    """Return the database with its first loans."""
    host = Host(str(database.name), Local(), True, False, Console(file=io.StringIO()))
    host.do(credit.load("credit", within=60), feed=credit.loading(borrowers(1, LOANS), 1, LOANS))
    return host


def lines(*payments: tuple[object, ...]) -> str:
    return "".join("\t".join(map(str, payment)) + "\n" for payment in payments)


def test_what_is_seeded_is_there_and_balances(host: Host) -> None:
    assert host.ask(credit.seeded("credit", 1, 2 * LOANS)) == LOANS
    assert host.ask(credit.problems("credit")) == []
    rows = host.ask(credit.counts("credit"))
    assert rows["instalment"] > 6 * LOANS
    assert rows["payment"] > LOANS / 2


def test_foreign_keys_hold_although_loading_did_not_check_them(host: Host, admin: psycopg.Connection) -> None:
    for table, key in [("instalment", "loan_id"), ("posting", "loan_id"), ("payment", "loan_id, number")]:
        (name,) = admin.execute(
            "SELECT conname FROM pg_constraint WHERE contype = 'f' AND conrelid = %s::regclass", (table,)
        ).fetchone() or ("",)
        with admin.transaction(force_rollback=True):
            other = "instalment" if table == "payment" else "loan"
            admin.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}".encode())
            admin.execute(f"ALTER TABLE {table} ADD FOREIGN KEY ({key}) REFERENCES {other}".encode())


def test_a_portion_loaded_twice_changes_nothing(host: Host) -> None:
    before = host.ask(credit.counts("credit"))
    with pytest.raises(CommandFailed, match="duplicate key"):
        host.do(credit.load("credit", within=60), feed=credit.loading(borrowers(1, LOANS), 1, LOANS))
    assert host.ask(credit.counts("credit")) == before


def test_an_audit_sees_each_kind_of_wrong(host: Host, admin: psycopg.Connection) -> None:
    payable = host.ask(credit.payable("credit", 400))
    assert len(payable) == len(set(payable)) == 400
    first, second, third = payable[:3]
    for n, payment in enumerate((first, second, third)):
        admin.execute("SELECT pay(%s, %s, %s::integer, %s)", (f"audited-{n}", *payment))
    right = lines(("audited-0", *first), ("audited-1", *second))
    audit = host.ask(credit.audit("credit", "audited", right))
    assert audit.holds
    assert (audit.acknowledged, audit.unacknowledged) == (2, 1)

    lost = host.ask(credit.audit("credit", "audited", right + lines(("audited-9", *third))))
    assert (lost.lost, lost.holds) == (1, False)
    altered = host.ask(credit.audit("credit", "audited", lines(("audited-0", first[0], first[1], 1))))
    assert (altered.altered, altered.holds) == (1, False)
    twice = host.ask(credit.audit("credit", "audited", right + right))
    assert (twice.twice, twice.holds) == (2, False)
    assert host.ask(credit.audit("credit", "audited", "")).holds
