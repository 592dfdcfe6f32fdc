"""A copy restored to the point at which a standby was held has the fingerprint taken there, while all goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from rich.console import Console

from runbooks.adapters import content, replay
from runbooks.adapters.replay import Held
from runbooks.core.command import Command
from runbooks.core.connection import Local
from runbooks.core.host import Host
from runbooks.parts.comparison import compare
from runbooks.parts.fingerprint import reach, take
from runbooks.parts.standstill import Still
from tests.proof.conftest import DATABASE, Session

pytestmark = pytest.mark.drill

STANDBY, COPY = 5433, 5434
WITHIN = 60

WORLD = """
CREATE TABLE loan (id bigint PRIMARY KEY, outstanding bigint NOT NULL);
INSERT INTO loan SELECT g, g * 1000 FROM generate_series(1, 20000) AS g;
CREATE TABLE payment (id bigserial PRIMARY KEY, loan_id bigint, amount bigint);
CREATE SEQUENCE quiet;
"""
PAY = r"""
\set loan random(1, 20000)
BEGIN;
UPDATE loan SET outstanding = outstanding - 1 WHERE id = :loan;
INSERT INTO payment (loan_id, amount) VALUES (:loan, 1);
END;
"""
# The copy's segments come straight out of the primary's folder.
SERVER = """
B=/usr/lib/postgresql/17/bin
$B/pg_basebackup --host=/tmp --username=postgres --checkpoint=fast --wal-method=none --pgdata=/tmp/{port} 2> /dev/null
rm -f /tmp/{port}/postmaster.*
touch /tmp/{port}/{signal}.signal
cat >> /tmp/{port}/postgresql.conf <<'END'
port = {port}
listen_addresses = '*'
unix_socket_directories = '/tmp'
fsync = off
hot_standby_feedback = on
restore_command = 'cp /tmp/pg/pg_wal/%f %p'
primary_conninfo = 'host=/tmp user=postgres'
END
"""
START = "/usr/lib/postgresql/17/bin/pg_ctl -D /tmp/{port} -w -l /tmp/{port}.log {options} start > /dev/null"
TARGET = "-o '-c recovery_target_lsn={lsn} -c recovery_target_inclusive=off -c recovery_target_action=promote'"


class Standby(Host):
    """The standby as a runbook asks it, which is not alone in its container here."""

    def _enclosed(self, command: Command[object]) -> tuple[str, ...]:
        docker, run, stdin, *rest = super()._enclosed(command)
        where = {"PGHOST": "/tmp", "PGPORT": str(STANDBY), "PGUSER": "postgres"}  # noqa: S108 - inside the container
        return (docker, run, stdin, *(word for name in where for word in ("--env", f"{name}={where[name]}")), *rest)


def held(standby: Host) -> tuple[Held, dict[str, dict[str, str]]]:
    """Hold the standby; return where, and how far its sequences have come there."""
    questions = {database: reach(standby, database) for database in standby.ask(content.databases())}
    found = standby.ask(replay.hold("r1", WITHIN, {name: each.sql for name, each in questions.items()}))
    assert found
    return found, {name: dict(each.parse(found.rows[name])) for name, each in questions.items()}


def sh(server: Session, script: str, detach: bool = False) -> None:
    """Run a script in the server's container, as its PostgreSQL's user."""
    ended = server.container.exec_run(["sh", "-ec", script], detach=detach)
    assert detach or ended.exit_code == 0, ended.output


def wait(what: Callable[[], object]) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + WITHIN
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def standby(session: Session) -> Iterator[Session]:
    """Return a standby that streams from the server, on which a world is made meanwhile."""
    session.run("ALTER SYSTEM SET wal_keep_size = '1GB'", "postgres")
    session.run("SELECT pg_reload_conf()", "postgres")
    sh(session, SERVER.format(port=STANDBY, signal="standby") + START.format(port=STANDBY, options=""))
    standby = Session(session.container, STANDBY)
    session.run(WORLD)
    yield standby
    standby.close()
    for port in (STANDBY, COPY):
        sh(session, f"/usr/lib/postgresql/17/bin/pg_ctl -D /tmp/{port} -m immediate stop || true; rm -rf /tmp/{port}")


def test_a_copy_at_the_point_is_equal_to_the_standby_that_was_held_there(session: Session, standby: Session) -> None:
    """Also a sequence whose page is in the backup as it was used, while the standby knows how far it was logged."""
    session.run("SELECT nextval('quiet') FROM generate_series(1, 5)")
    sh(session, SERVER.format(port=COPY, signal="recovery"))
    load = f"printf '%s' '{PAY}' > /tmp/pay; pgbench -n -c 4 -T 60 -f /tmp/pay -h /tmp -U postgres {DATABASE}"
    sh(session, load, detach=True)
    wait(lambda: standby.value("SELECT count(*) > 200 FROM payment"))
    host = Standby(str(session.container.name), Local(), True, False, Console())
    point, sequences = held(host)
    lsn = point.lsn
    wait(lambda: standby.value(f"SELECT pg_last_wal_replay_lsn() > '{lsn}'::pg_lsn + 100000", "postgres"))
    source = take(Still(host, point), WITHIN, sequences=sequences)
    host.do(replay.release("r1"))
    assert (standby.value("SELECT last_value FROM quiet"), session.value("SELECT last_value FROM quiet")) == (33, 5)
    sh(session, START.format(port=COPY, options=TARGET.format(lsn=lsn)))
    copy = Session(session.container, COPY)
    wait(lambda: not copy.value("SELECT pg_is_in_recovery()", "postgres"))
    expected = {f"settings {name}" for name in ("port", "recovery_target_lsn", "recovery_target_inclusive")}
    expected.add("settings recovery_target_action")
    assert [str(each) for each in compare(source, take(copy, WITHIN, source), expected)] == []
    assert copy.value("SELECT last_value FROM quiet") == 5
    assert compare(source, take(session, WITHIN, source), expected)
    copy.close()
