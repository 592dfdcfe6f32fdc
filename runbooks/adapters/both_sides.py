"""A program that writes to the credit database by every path from one site, to see what is acknowledged there.

It runs in the site's `backup` container, and tells each acknowledgement, and each refusal, as it hears of it. A path is
a name with either host:port of something that speaks PostgreSQL, or the URL of something that takes payments.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from runbooks.core.command import Command, Query

SCHEMA = "separuh_drill"
MOMENT = 5.0  # seconds that the program may need to end
KILLED = 137  # its container was

# Made anew: a dead runner's may stand there.
PREPARE = f"""
SET client_min_messages = warning;
DROP SCHEMA IF EXISTS {SCHEMA} CASCADE;
CREATE SCHEMA {SCHEMA};
CREATE TABLE {SCHEMA}.write (id text PRIMARY KEY, timeline text NOT NULL);
GRANT USAGE ON SCHEMA {SCHEMA} TO credit;
GRANT INSERT, SELECT ON {SCHEMA}.write TO credit;
"""
FORGET = f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE"

_PSQL = ("psql", "-XAtq", "--set", "ON_ERROR_STOP=1", "--dbname")

# Two writers a path: while the one waits for an answer that may never come, the other shows whether new ones are taken.
# A COMMIT is never cancelled, as PostgreSQL would acknowledge it then; a connection is only ever left.
_WRITE = """
import http.client, json, os, sys, threading, time, urllib.request
import psycopg2

asked, run = json.loads(ASKED), sys.argv[1]
mark = "/tmp/both-sides-" + run
until = time.monotonic() + asked["seconds"]
said = threading.Lock()
INSERT = (
    "WITH t AS (SELECT substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8) AS timeline) "
    "INSERT INTO separuh_drill.write SELECT %s, timeline FROM t RETURNING timeline"
)

def over():
    return time.monotonic() > until or not os.path.exists(mark)

def acknowledged(path, key, sent, timeline=""):
    with said:
        print(json.dumps([path, key, sent, time.time(), timeline]), flush=True)

def refused(path):
    with said:
        print(json.dumps([path, time.time()]), flush=True)

def connected(address):
    host, _, port = address.rpartition(":")
    session = psycopg2.connect(
        host=host, port=port, dbname=asked["database"], user="credit", password=asked["password"],
        sslmode="verify-full", sslrootcert="/config/ca.crt", connect_timeout=2, tcp_user_timeout=3000,
        keepalives_idle=1, keepalives_interval=1, keepalives_count=3, application_name="separuh both sides",
    )
    session.autocommit = True
    return session

def write(path, address, name):
    session, number = None, 0
    while not over():
        number += 1
        key, sent = "%s/%d" % (name, number), time.time()
        try:
            session = session or connected(address)
            with session.cursor() as cursor:
                cursor.execute(INSERT, (key,))
                acknowledged(path, key, sent, cursor.fetchone()[0])
        except psycopg2.Error:
            if session:
                session.close()
            session = None
            refused(path)
        time.sleep(asked["every"])

def pay(path, url, name, payments):
    for number, (loan, instalment, amount) in enumerate(payments):
        if over():
            return
        key, sent = "%s-%04d" % (name, number), time.time()
        body = json.dumps({"loan": loan, "instalment": instalment, "amount": amount}).encode()
        headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
        try:
            with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=10) as answer:
                answer.read()
            acknowledged(path, "\\t".join(map(str, (key, loan, instalment, amount))), sent)
        except (OSError, http.client.HTTPException):
            refused(path)
        time.sleep(3 * asked["every"])  # it costs an instalment

open(mark, "w").close()
writers = []
for path, to in asked["paths"].items():
    for n in range(2):
        name = "%s/%s/%d" % (asked["site"], path, n)
        if "://" in to:
            share = asked["payments"][path][n::2]
            name = "%s-%s-%s-%d" % (run, asked["site"], path, n)
            writers.append(threading.Thread(target=pay, args=(path, to, name, share), daemon=True))
        else:
            writers.append(threading.Thread(target=write, args=(path, to, name), daemon=True))
for each in writers:
    each.start()
while not over():
    time.sleep(0.2)
time.sleep(1)  # for what is on its way
sys.stdout.flush()
os._exit(0)
"""


@dataclass(frozen=True, kw_only=True)
class Writers:
    """What writes from one site. `paths` are addresses or URLs by name; `payments` are for those with a URL."""

    site: str
    database: str
    password: str
    paths: Mapping[str, str]
    payments: Mapping[str, Sequence[tuple[int, int, int]]]
    seconds: float
    every: float = 0.5


@dataclass(frozen=True)
class Acknowledged:
    """One write that was acknowledged. `key` is its id, or the line of a payment. Seconds since the epoch, there.

    `timeline` is that of the server that took it, "" of a payment.
    """

    path: str
    key: str
    sent: float
    at: float
    timeline: str


@dataclass(frozen=True)
class Refused:
    """One write that was turned away, or whose connection ended. Seconds since the epoch, there."""

    path: str
    at: float


@dataclass(frozen=True)
class Heard:
    """What the writers of one site heard."""

    acknowledged: Sequence[Acknowledged] = ()
    refused: Sequence[Refused] = ()


def write(run: str, writers: Writers) -> Command[Heard]:
    """Write until told to end, or for so many seconds; return what was heard, also by one that was killed."""
    asked = {
        "site": writers.site,
        "database": writers.database,
        "password": writers.password,
        "paths": dict(writers.paths),
        "payments": {path: list(payments) for path, payments in writers.payments.items()},
        "seconds": writers.seconds,
        "every": writers.every,
    }
    program = f"ASKED = {json.dumps(asked)!r}\n{_WRITE}"
    argv, within = ("nice", "python3", "-", run), writers.seconds + MOMENT
    return Command(argv=argv, stdin=program, parse=_heard, within=within, ok=(0, KILLED))


def end(run: str) -> Command[str]:
    """Have the program end."""
    return Command(argv=("rm", "-f", f"/tmp/both-sides-{run}"), within=10)  # noqa: S108 - inside the container


def clock() -> Command[float]:
    """Ask a container for its time, in seconds since the epoch."""
    return Command(argv=("date", "+%s.%N"), parse=float, within=10)


def prepare(database: str) -> Command[str]:
    """Make the table that is written to, in a schema of its own."""
    return Command(argv=(*_PSQL, database), stdin=PREPARE, within=30)


def forget(database: str) -> Command[str]:
    """Remove it with all that was written."""
    quietly = ("--command", "SET client_min_messages = warning")
    return Command(argv=(*_PSQL, database, *quietly, "--command", FORGET), within=30)


def writing(database: str) -> Query[set[str]]:
    """Ask by which paths anything was written: `site/path`."""
    sql = f"SELECT DISTINCT split_part(id, '/', 1) || '/' || split_part(id, '/', 2) FROM {SCHEMA}.write"  # noqa: S608
    return Query(sql=sql, parse=lambda rows: {str(path) for (path,) in rows}, database=database)


def later(database: str, timeline: str) -> Query[int]:
    """Ask how many writes were taken on another timeline than `timeline`."""
    sql = f"SELECT count(*) FROM {SCHEMA}.write WHERE timeline > '{timeline}'"  # noqa: S608 - hexadecimal digits
    return Query(sql=sql, parse=lambda rows: int(rows[0][0] or 0), database=database)


def survived(database: str) -> Query[set[str]]:
    """Ask for the id of every write that is there."""
    sql = f"SELECT id FROM {SCHEMA}.write"  # noqa: S608
    return Query(sql=sql, parse=lambda rows: {str(key) for (key,) in rows}, database=database)


def _heard(output: str) -> Heard:
    lines = [json.loads(line) for line in _whole(output.splitlines())]
    return Heard(
        [Acknowledged(*line) for line in lines if len(line) > 2],
        [Refused(*line) for line in lines if len(line) == 2],
    )


def _whole(lines: Iterable[str]) -> Iterable[str]:
    """Leave out a last line that was cut off."""
    return (line for line in lines if line.endswith("]"))
