"""The leader held by a barrier: exact while payments go on, nobody waits longer than allowed, nothing of it stays."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import psycopg
import pytest
from rich.console import Console

from runbooks.adapters import barrier, content, definitions, replay
from runbooks.adapters.replay import Held
from runbooks.core.connection import Local
from runbooks.core.errors import NotVerified
from runbooks.core.host import Host
from runbooks.parts.comparison import compare
from runbooks.parts.fingerprint import take
from runbooks.parts.standstill import Still
from tests.proof.conftest import DATABASE, Session
from tests.proof.test_point import COPY, PAY, SERVER, START, TARGET, WITHIN, WORLD, sh, wait

pytestmark = pytest.mark.drill

OTHER = "ledger2"
LIMIT = 0.5
SLACK = 0.5  # seconds: the machine has others to serve
LOCKS = "SELECT count(*) FROM pg_locks WHERE mode = 'ShareLock' AND locktype = 'relation'"
KEPT = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'separuh barrier'"
LAST = "SELECT max(pg_xact_commit_timestamp(xmin)) FROM payment"
AWAITED = "SELECT count(*) FROM pg_locks WHERE mode = 'ShareLock' AND NOT granted"


@pytest.fixture(scope="module", autouse=True)
def timed(server: Session) -> None:
    """Let the server keep the times of commits, as a member does."""
    server.run("ALTER SYSTEM SET track_commit_timestamp = on", "postgres")
    server.crash()


@pytest.fixture
def world(session: Session) -> Iterator[Session]:
    """Return a server with two databases in which there is something."""
    session.run("ALTER SYSTEM SET wal_keep_size = '1GB'", "postgres")
    session.run("SELECT pg_reload_conf()", "postgres")
    session.run(f"DROP DATABASE IF EXISTS {OTHER} WITH (FORCE)", "postgres")
    session.run(f"CREATE DATABASE {OTHER}", "postgres")
    for database in (DATABASE, OTHER):
        session.run(WORLD, database)
    session.run("CREATE MATERIALIZED VIEW seen AS SELECT count(*) FROM loan; SELECT lo_from_bytea(4242, 'x')")
    yield session
    host(session).do(replay.release("r1"))
    session.close()
    sh(session, "pkill pgbench || true")
    wait(lambda: session.value(KEPT, "postgres") == 0)
    session.run(f"DROP DATABASE {OTHER} WITH (FORCE)", "postgres")
    session.close()


def host(session: Session) -> Host:
    """Return the server as a runbook asks it."""
    return Host(str(session.container.name), Local(), True, False, Console())


def held(session: Session, limit: float = LIMIT, seconds: int = WITHIN) -> tuple[Held, dict[str, dict[str, str]]]:
    """Hold the server; return where, and how far its sequences have come there."""
    server = host(session)
    known = {each: server.ask(definitions.sequences(each)) for each in server.ask(content.databases())}
    questions = {database: definitions.reaching(found) for database, found in known.items()}
    found = server.ask(barrier.hold("r1", limit, seconds, questions))
    return found, {name: dict(definitions.reached(name, each).parse(found.rows[name])) for name, each in known.items()}


def pay(session: Session) -> None:
    """Let customers of both databases pay all the while."""
    for database in (DATABASE, OTHER):
        load = (
            f"printf '%s' '{PAY}' > /tmp/pay; pgbench -n -c 4 -R 200 -T 60 -f /tmp/pay -h /tmp -U postgres {database}"
        )
        sh(session, load, detach=True)
    paid = "SELECT count(*) > 50 FROM payment"
    wait(lambda: session.value(paid) and session.value(paid, OTHER))


def test_a_copy_at_the_point_is_equal_to_what_was_seen_there(world: Session) -> None:
    """In every database of the cluster, sequences too, while all of them are written; and it differs a moment later."""
    world.run("SELECT nextval('quiet') FROM generate_series(1, 5)")
    sh(world, SERVER.format(port=COPY, signal="recovery"))
    pay(world)
    point, sequences = held(world)
    wait(lambda: world.value(f"SELECT pg_current_wal_lsn() > '{point.lsn}'::pg_lsn + 100000", "postgres"))
    source = take(Still(host(world), point), WITHIN, sequences=sequences)
    host(world).do(replay.close_segment("t"))
    print(f"held for {point.seconds} s")
    assert 0 < point.seconds <= LIMIT
    sh(world, START.format(port=COPY, options=TARGET.format(lsn=point.lsn)))
    copy = Session(world.container, COPY)
    try:
        wait(lambda: not copy.value("SELECT pg_is_in_recovery()", "postgres"))
        expected = {f"settings {name}" for name in ("port", "unix_socket_directories", "restore_command")}
        expected |= {f"settings recovery_target_{name}" for name in ("lsn", "inclusive", "action")}
        expected |= {f"settings {name}" for name in ("hot_standby_feedback", "primary_conninfo")}
        assert [str(each) for each in compare(source, take(copy, WITHIN, source), expected)] == []
        assert compare(source, take(world, WITHIN, source), expected)
        assert datetime.fromisoformat(point.at) == max(last(copy, each) for each in (DATABASE, OTHER))
    finally:
        copy.close()
        stop = f"/usr/lib/postgresql/17/bin/pg_ctl -D /tmp/{COPY} -m immediate stop || true; rm -rf /tmp/{COPY}"
        sh(world, stop)


def test_a_long_writer_makes_nobody_wait_for_longer_than_allowed(world: Session) -> None:
    """It is not held, says who kept the lock, and leaves none; once that one has ended it is held."""
    waits: list[float] = []
    over = threading.Event()

    def customer() -> None:
        with psycopg.connect(dsn(world), autocommit=True) as connection:
            while not over.is_set():
                began = time.monotonic()
                connection.execute("UPDATE loan SET outstanding = outstanding WHERE id = 2")
                waits.append(time.monotonic() - began)
                time.sleep(0.01)

    with ThreadPoolExecutor(1) as pool, psycopg.connect(dsn(world)) as writer:
        writer.execute("UPDATE payment SET amount = 1")  # loan is locked before payment can be
        writer.execute("INSERT INTO payment (loan_id, amount) VALUES (1, 1)")
        paying = pool.submit(customer)
        try:
            for _ in range(3):
                with pytest.raises(
                    NotVerified, match=r"locked within 500 ms; the oldest .* is process \d+ of postgres in proof"
                ):
                    held(world)
                assert world.value(LOCKS) == 0
        finally:
            over.set()
        paying.result()
        writer.rollback()
    print(f"of {len(waits)} the longest waited {max(waits):.3f} s")
    assert LIMIT / 2 < max(waits) < LIMIT + SLACK
    assert held(world)[0].seconds < LIMIT


def test_a_customer_who_takes_locks_in_another_order_is_not_the_one_to_fail(world: Session) -> None:
    """Each waits for the other: the barrier yields before PostgreSQL looks for a deadlock on the customer's behalf."""
    with ThreadPoolExecutor(1) as pool, psycopg.connect(dsn(world)) as customer:
        customer.execute("INSERT INTO payment (loan_id, amount) VALUES (1, 1)")
        holding = pool.submit(held, world)
        wait(lambda: world.value(AWAITED))
        customer.execute("UPDATE loan SET outstanding = 0 WHERE id = 1")
        customer.commit()
        with pytest.raises(NotVerified, match="not every table could be locked"):
            holding.result()
    assert world.value("SELECT outstanding FROM loan WHERE id = 1") == 0


def test_whoever_is_killed_in_it_the_locks_are_let_go(world: Session) -> None:
    """What holds the barrier dies with its locks had, or waiting for one: the server ends it within the limit."""
    limit = 1.0
    with ThreadPoolExecutor(1) as pool, psycopg.connect(dsn(world)) as writer:
        writer.execute("INSERT INTO payment (loan_id, amount) VALUES (1, 1)")
        holding = pool.submit(held, world, limit)
        wait(lambda: world.value(AWAITED))
        sh(world, "pkill -9 -f 'python3 - /tmp/hel[d]'")
        killed = time.monotonic()
        wait(lambda: world.value(LOCKS) == 0)
        assert time.monotonic() - killed < limit + SLACK
        with pytest.raises(Exception, match="exited 137"):
            holding.result()


def test_the_snapshots_end_by_themselves_and_when_they_are_released(world: Session) -> None:
    """A runner that is gone keeps the server from cleaning up for so long and no longer."""
    began = time.monotonic()
    held(world, seconds=2)
    assert world.value(KEPT) == len(host(world).ask(content.databases()))
    wait(lambda: world.value(KEPT) == 0)
    assert 1 < time.monotonic() - began < 10
    held(world)
    host(world).do(replay.release("r1"))
    wait(lambda: world.value(KEPT) == 0)


def test_a_session_whose_keeper_is_killed_ends_with_it(world: Session) -> None:
    held(world)
    sh(world, "pkill -9 -f 'python3 - /tmp/hel[d]'")
    wait(lambda: world.value(KEPT) == 0)


def last(session: Session, database: str) -> datetime:
    """Return when the last payment was committed."""
    found = session.value(LAST, database)
    assert isinstance(found, datetime)
    return found


def dsn(session: Session) -> str:
    """Return how to reach the database."""
    return session.connection(DATABASE).info.dsn
