"""The SQL functions as properties: whatever is asked in whatever order, the books balance and a key pays once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from credit_api import schema
from credit_api.config import Config
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.rows import dict_row

pytestmark = pytest.mark.drill

REFUSALS = {"CR404", "CR409", "CR422", "CR423", "23503", "23505", "23514"}
LOANS = st.tuples(
    st.sampled_from(["multiguna", "motor", "rumah", "emas"]), st.integers(1, 300_000_000), st.integers(0, 40)
)
# Instalments and keys from few, so that they meet; amounts right four times of five.
PAYMENTS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 4), st.integers(0, 7), st.sampled_from([0, 0, 0, 0, 1])), max_size=15
)


def call(connection: psycopg.Connection, function: str, *arguments: object) -> dict[str, Any] | str:
    """Return the row that `function` answers, or the SQLSTATE of its refusal."""
    statement = f"SELECT * FROM {function}({', '.join(['%s'] * len(arguments))})"  # noqa: S608  names of this file
    try:
        row = connection.cursor(row_factory=dict_row).execute(statement.encode(), arguments).fetchone()
    except psycopg.Error as error:
        if error.sqlstate not in REFUSALS:
            raise
        return str(error.sqlstate)
    assert row
    return row


def account(connection: psycopg.Connection) -> int:
    """Open an account and return its number."""
    opened = call(connection, "open_account", "Siti Rahma", "Depok", "+62 812 3456 7890")
    assert isinstance(opened, dict)
    return int(opened["id"])


def granted(connection: psycopg.Connection, months: int = 3) -> tuple[int, int]:
    """Grant a loan; return its number and the rupiah of its first instalment."""
    loan = call(connection, "grant_loan", account(connection), "motor", 10_000_000, months)
    assert isinstance(loan, dict)
    return int(loan["id"]), 10_000_000 // months + 155_000


@pytest.fixture
def customer(dsn: str) -> Any:
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(loans=st.lists(LOANS, min_size=1, max_size=3), payments=PAYMENTS)
def test_books_balance_whatever_is_asked(
    customer: psycopg.Connection, loans: list[tuple[str, int, int]], payments: list[tuple[int, int, int, int]]
) -> None:
    who = account(customer)
    given_loans = [call(customer, "grant_loan", who, *loan) for loan in loans]
    numbers = [int(loan["id"]) if isinstance(loan, dict) else 1 for loan in given_loans]
    answers: dict[str, tuple[tuple[object, ...], object]] = {}
    for chosen, number, key_number, off in payments:
        loan = numbers[chosen % len(numbers)]
        row = customer.execute(
            "SELECT principal + interest FROM instalment WHERE loan_id = %s AND number = %s", (loan, number)
        ).fetchone()
        key, body = f"key-{who}-{key_number}", (loan, number, (row[0] if row else 1) + off)
        answer = call(customer, "pay", key, *body)
        if key in answers:
            assert answer == (answers[key][1] if answers[key][0] == body else "CR409")
        elif isinstance(answer, dict):
            assert not off
            answers[key] = (body, answer)
    assert customer.execute("SELECT * FROM books()").fetchall() == []
    paid = customer.execute("SELECT count(*) FROM payment WHERE key LIKE %s", (f"key-{who}-%",)).fetchone()
    assert paid == (len(answers),)


def test_one_key_from_many_at_once_pays_once(customer: psycopg.Connection, dsn: str) -> None:
    loan, amount = granted(customer)

    def once(_: int) -> dict[str, Any] | str:
        with psycopg.connect(dsn, autocommit=True) as connection:
            return call(connection, "pay", f"crowd-{loan}", loan, 1, amount)

    with ThreadPoolExecutor(8) as crowd:
        answers = list(crowd.map(once, range(16)))
    assert isinstance(answers[0], dict)
    assert all(answer == answers[0] for answer in answers)


def test_one_instalment_under_many_keys_is_paid_once(customer: psycopg.Connection, dsn: str) -> None:
    loan, amount = granted(customer)

    def once(n: int) -> dict[str, Any] | str:
        with psycopg.connect(dsn, autocommit=True) as connection:
            return call(connection, "pay", f"many-{loan}-{n}", loan, 1, amount)

    with ThreadPoolExecutor(8) as crowd:
        answers = list(crowd.map(once, range(16)))
    assert sorted(str(answer) for answer in answers if isinstance(answer, str)) == ["23505"] * 15


def test_a_loan_paid_to_the_end_owes_nothing(customer: psycopg.Connection) -> None:
    loan, _ = granted(customer, months=7)
    due = customer.execute("SELECT number, principal + interest FROM instalment WHERE loan_id = %s", (loan,)).fetchall()
    assert sum(amount for _, amount in due) == 10_000_000 + 7 * 155_000
    for number, amount in due:
        assert isinstance(call(customer, "pay", f"whole-{loan}-{number}", loan, number, amount), dict)
    assert customer.execute("SELECT outstanding FROM loan WHERE id = %s", (loan,)).fetchone() == (0,)


@pytest.mark.parametrize("table", ["posting", "payment"])
@pytest.mark.parametrize("change", ["DELETE FROM {}", "TRUNCATE {}", "UPDATE {} SET amount = 1"])
def test_the_past_cannot_be_changed(customer: psycopg.Connection, table: str, change: str) -> None:
    with pytest.raises(psycopg.Error, match="append-only"):
        customer.execute(change.format(table).encode())


def test_books_see_a_figure_that_differs_from_the_ledger(admin: psycopg.Connection) -> None:
    loan, _ = granted(admin)
    with admin.transaction(force_rollback=True):
        admin.execute("UPDATE loan SET outstanding = outstanding - 1 WHERE id = %s", (loan,))
        admin.execute("INSERT INTO posting VALUES (%s, 2, 'cash', 'interest', 5)", (loan,))
        admin.execute("DELETE FROM instalment WHERE loan_id = %s AND number = 3", (loan,))
        assert [found for _, found in admin.execute("SELECT * FROM books()").fetchall()] == [1, 1, 1]


def test_the_schema_is_made_once_and_left_alone_afterwards(dsn: str, admin: psycopg.Connection) -> None:
    config = Config(dsn=dsn, password="")
    assert schema.make(config) == "schema is at 0001"
    admin.execute("UPDATE alembic_version SET version_num = '0000'")
    try:
        assert schema.make(config) == "schema is at 0000, this image is made for 0001: left as it is"
    finally:
        admin.execute("UPDATE alembic_version SET version_num = '0001'")


def test_a_database_of_another_maker_is_left_alone(dsn: str, admin: psycopg.Connection) -> None:
    admin.execute("CREATE DATABASE foreign_one OWNER credit")
    elsewhere = dsn.replace("dbname=credit", "dbname=foreign_one")
    with psycopg.connect(elsewhere, autocommit=True) as connection:
        connection.execute("CREATE TABLE invoice ()")
    with pytest.raises(schema.Foreign, match="invoice"):
        schema.make(Config(dsn=elsewhere, password=""))


def test_two_sites_make_one_schema(dsn: str, admin: psycopg.Connection) -> None:
    admin.execute("CREATE DATABASE two_sites OWNER credit")
    config = Config(dsn=dsn.replace("dbname=credit", "dbname=two_sites"), password="")
    with ThreadPoolExecutor(2) as sites:
        said = sorted(sites.map(lambda _: schema.make(config), range(2)))
    assert said == ["schema is at 0001", "schema made, at 0001"]
