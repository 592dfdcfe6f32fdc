"""A copy restored to the point at which a standby was paused has the standby's fingerprint, under load."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from runbooks.parts.comparison import compare
from runbooks.parts.fingerprint import take
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
restore_command = 'cp /tmp/pg/pg_wal/%f %p'
primary_conninfo = 'host=/tmp user=postgres'
END
"""
START = "/usr/lib/postgresql/17/bin/pg_ctl -D /tmp/{port} -w -l /tmp/{port}.log {options} start > /dev/null"
TARGET = "-o '-c recovery_target_lsn={lsn} -c recovery_target_inclusive=off -c recovery_target_action=promote'"


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


def test_a_copy_at_the_paused_standbys_point_is_equal(session: Session, standby: Session) -> None:
    """Also a sequence whose page is in the backup as it was used, while the standby knows how far it was logged."""
    session.run("SELECT nextval('quiet') FROM generate_series(1, 5)")
    sh(session, SERVER.format(port=COPY, signal="recovery"))
    load = f"printf '%s' '{PAY}' > /tmp/pay; pgbench -n -c 4 -T 60 -f /tmp/pay -h /tmp -U postgres {DATABASE}"
    sh(session, load, detach=True)
    wait(lambda: standby.value("SELECT count(*) > 200 FROM payment"))
    standby.run("SELECT pg_wal_replay_pause()", "postgres")
    wait(lambda: standby.value("SELECT pg_get_wal_replay_pause_state() = 'paused'", "postgres"))
    lsn = standby.value("SELECT pg_last_wal_replay_lsn()", "postgres")
    source = take(standby, WITHIN)
    assert (standby.value("SELECT last_value FROM quiet"), session.value("SELECT last_value FROM quiet")) == (33, 5)
    wait(lambda: session.value(f"SELECT pg_current_wal_lsn() > '{lsn}'::pg_lsn + 100000"))
    sh(session, START.format(port=COPY, options=TARGET.format(lsn=lsn)))
    copy = Session(session.container, COPY)
    wait(lambda: not copy.value("SELECT pg_is_in_recovery()", "postgres"))
    expected = {f"settings {name}" for name in ("port", "recovery_target_lsn", "recovery_target_inclusive")}
    expected.add("settings recovery_target_action")
    assert [str(each) for each in compare(source, take(copy, WITHIN, source), expected)] == []
    assert copy.value("SELECT last_value FROM quiet") == 5
    assert compare(source, take(session, WITHIN, source), expected)
    copy.close()
