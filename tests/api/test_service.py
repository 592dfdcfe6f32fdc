"""The service in its container: what customers read, and what it makes of a database that lets it down."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from tests.api.test_functions import granted

pytestmark = pytest.mark.drill

WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"


@dataclass(frozen=True)
class Answer:
    """Status, body and how often the service repeated the statement."""

    status: int
    body: Any
    retried: int


def ask(url: str, body: Mapping[str, object] | None = None, key: str = "") -> Answer:
    """Send one request, once."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Idempotency-Key": key} if key else {})  # noqa: S310  a URL of ours
    try:
        with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310
            text, status, headers = response.read(), response.status, response.headers
    except urllib.error.HTTPError as error:
        text, status, headers = error.read(), error.code, error.headers
    is_json = "json" in headers.get("Content-Type", "")
    return Answer(status, json.loads(text) if is_json else text.decode(), int(headers.get("Separuh-Retried", 0)))


@pytest.fixture
def url(service: Callable[[], str]) -> str:
    """Return the URL of the service, ready."""
    deadline = time.monotonic() + 20
    while True:
        try:
            if ask(f"{service()}/readyz").status == 200:
                return service()
        except OSError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.1)


@contextmanager
def without_the_other_site(admin: psycopg.Connection) -> Iterator[None]:
    """Let commits wait for a standby that is not there."""
    _standbys(admin, "nobody")
    try:
        yield
    finally:
        _standbys(admin, "")


def _standbys(admin: psycopg.Connection, names: str) -> None:
    admin.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'".encode())
    admin.execute("SELECT pg_reload_conf()")
    time.sleep(0.3)


def waiting(admin: psycopg.Connection) -> int:
    """Return the backend whose commit waits for the other site, within 5 s."""
    deadline = time.monotonic() + 5
    while not (row := admin.execute(WAITING).fetchone()):
        assert time.monotonic() < deadline, "no commit waits"
        time.sleep(0.02)
    return int(row[0])


def test_from_an_account_to_its_balance(url: str) -> None:
    account = ask(f"{url}/accounts", {"holder": "Budi Santoso", "city": "Surabaya", "phone": "+62 813 1111 2222"})
    assert account.status == 201
    number = account.body["id"]
    loan = ask(f"{url}/loans", {"account": number, "product": "usaha", "principal": 6_000_000, "months": 6})
    assert (loan.status, loan.body["interest"]) == (201, 270_000)
    first = {"loan": loan.body["id"], "instalment": 1, "amount": 1_045_000}
    paid = ask(f"{url}/payments", first, key=f"first-{number}")
    assert (paid.status, paid.retried) == (201, 0)
    assert ask(f"{url}/payments", first, key=f"first-{number}") == paid
    balance = ask(f"{url}/accounts/{number}")
    assert (balance.body["outstanding"], balance.body["loans"]) == (5_000_000, 1)
    assert 'credit_api_requests_total{operation="pay",status="201"}' in ask(f"{url}/metrics").body


@pytest.mark.parametrize(
    ("change", "key", "status", "pesan"),
    [
        ({"amount": 1}, "refused-1", 422, "Jumlah harus sama"),
        ({"instalment": 99}, "refused-2", 404, "tidak ditemukan"),
        ({"instalment": 2**40}, "refused-3", 400, "tidak sah"),
        ({"amount": 2**70}, "refused-4", 400, "tidak sah"),
        ({"amount": True}, "refused-5", 400, "tidak sah"),
        ({"amount": "1"}, "refused-6", 400, "tidak sah"),
        ({}, "", 400, "Idempotency-Key"),
        ({}, "x" * 65, 400, "Idempotency-Key"),
    ],
)
def test_refusals_are_in_both_languages(
    url: str, admin: psycopg.Connection, change: dict[str, object], key: str, status: int, pesan: str
) -> None:
    loan, amount = granted(admin)
    answer = ask(f"{url}/payments", {"loan": loan, "instalment": 1, "amount": amount, **change}, key)
    assert answer.status == status
    assert pesan in answer.body["pesan"]
    assert list(answer.body) == ["pesan", "message"]


def test_a_key_used_for_something_else_is_refused(url: str, admin: psycopg.Connection) -> None:
    loan, amount = granted(admin)
    body = {"loan": loan, "instalment": 1, "amount": amount}
    assert ask(f"{url}/payments", body, f"same-{loan}").status == 201
    assert ask(f"{url}/payments", {**body, "instalment": 2}, f"same-{loan}").status == 409
    assert ask(f"{url}/payments", body, f"other-{loan}").status == 409


def test_sessions_ended_by_an_administrator_fail_no_payment(url: str, admin: psycopg.Connection) -> None:
    loans = [granted(admin) for _ in range(60)]
    over = threading.Event()

    def end_sessions() -> None:
        while not over.wait(0.2):
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'credit-api'"
            )

    def pay(loan: int, amount: int) -> Answer:
        time.sleep(0.02)
        return ask(f"{url}/payments", {"loan": loan, "instalment": 1, "amount": amount}, f"ended-{loan}")

    with ThreadPoolExecutor(5) as pool:
        ending: Future[None] = pool.submit(end_sessions)
        answers = list(pool.map(lambda one: pay(*one), loans))
        over.set()
        ending.result()
    assert [answer.status for answer in answers] == [201] * len(loans)
    assert admin.execute("SELECT * FROM books()").fetchall() == []


@pytest.mark.parametrize("ended", ["pg_cancel_backend", "pg_terminate_backend"])
def test_a_commit_whose_wait_is_cut_short_is_repeated_before_it_is_acknowledged(
    url: str, admin: psycopg.Connection, ended: str
) -> None:
    """PostgreSQL itself would say "committed" here, and the payment could be lost with the site."""
    loan, amount = granted(admin)
    body = {"loan": loan, "instalment": 1, "amount": amount}
    with ThreadPoolExecutor(1) as pool:
        with without_the_other_site(admin):
            answer = pool.submit(ask, f"{url}/payments", body, f"{ended}-{loan}")
            first = waiting(admin)
            admin.execute(f"SELECT {ended}(%s)".encode(), (first,))
            deadline = time.monotonic() + 5
            while waiting(admin) == first:
                assert time.monotonic() < deadline, "the service did not repeat the payment"
                time.sleep(0.02)
            assert not answer.done()
        assert answer.result().status == 201
    assert answer.result().retried == 1


def test_a_deadline_cuts_the_line_and_never_cancels(url: str, admin: psycopg.Connection) -> None:
    loan, amount = granted(admin)
    body = {"loan": loan, "instalment": 1, "amount": amount}
    with without_the_other_site(admin):
        started = time.monotonic()
        answer = ask(f"{url}/payments", body, f"slow-{loan}")
        assert 2.5 < time.monotonic() - started < 4.5  # the deadline of this service is 3 s
        assert (answer.status, "kunci yang sama" in answer.body["pesan"]) == (503, True)
        # A cancel would have ended the wait, and left a commit that one site alone knows.
        assert waiting(admin)
    assert ask(f"{url}/payments", body, f"slow-{loan}").status == 201
    assert admin.execute("SELECT count(*) FROM payment WHERE loan_id = %s", (loan,)).fetchone() == (1,)


def test_a_grant_of_unknown_fate_is_not_repeated(url: str, admin: psycopg.Connection) -> None:
    account = ask(f"{url}/accounts", {"holder": "Dewi Lestari", "city": "Medan", "phone": "+62 813 1111 3333"}).body[
        "id"
    ]
    body = {"account": account, "product": "usaha", "principal": 6_000_000, "months": 6}
    with ThreadPoolExecutor(1) as pool, without_the_other_site(admin):
        answer = pool.submit(ask, f"{url}/loans", body)
        admin.execute("SELECT pg_terminate_backend(%s)", (waiting(admin),))
        assert answer.result().status == 503
    assert admin.execute("SELECT count(*) FROM loan WHERE account_id = %s", (account,)).fetchone() == (1,)
