"""The leader held at one point of its log: nothing is written for a moment, in which each database gives a snapshot.

For the day on which no standby streams. Every table of every database is locked against writing, the snapshots are
taken and the point is marked, and the locks are let go; what is read afterwards is read in the snapshots.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from runbooks.adapters.content import BEGIN
from runbooks.adapters.postgres import LAST_COMMIT
from runbooks.adapters.replay import Held, folder
from runbooks.core.command import Command
from runbooks.core.errors import NotVerified

# The tables whose rows a fingerprint reads and that can be locked: a materialized view cannot.
TABLES = """
SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
    OR c.oid = 'pg_largeobject'::regclass
 ORDER BY 1
"""
# Who keeps the locks from being had: the transaction that has written and is open for the longest time.
OLDEST = """
SELECT format('process %s of %s in %s, for %s s', pid, usename, datname, round(extract(epoch FROM now() - xact_start)))
  FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid() ORDER BY xact_start LIMIT 1
"""

# A lock taken in a savepoint is let go with it, and the snapshot taken meanwhile stays the transaction's. A LOCK takes
# none itself, so the snapshot is of when all is locked. `transaction_timeout` ends a session whoever is gone by then:
# below a second, after which PostgreSQL would look for a deadlock on behalf of a customer, and end that one's
# transaction. A short `deadlock_timeout` of its own sends autovacuum away.
_HOLD = """
import json, os, sys, time
import psycopg2

asked = json.loads(ASKED)
folder = os.path.join(sys.argv[1], str(os.getpid()))

def opened(database):
    session = psycopg2.connect(dbname=database, application_name="separuh barrier")
    session.autocommit = True
    return session.cursor()

def answers(cursor, statements):
    found = []
    for statement in statements:
        cursor.execute(statement)
        found += [[None if value is None else str(value) for value in row] for row in cursor]
    return found

def tables(cursor):
    return [name for (name,) in answers(cursor, [asked["tables"]])]

def lock(cursor, names):
    each = ", ".join("ONLY " + name for name in names)
    cursor.execute(
        asked["begin"]
        + "SET LOCAL transaction_timeout = %d; SET LOCAL deadlock_timeout = 10; SAVEPOINT barrier;" % asked["limit"]
        + "LOCK TABLE " + each + " IN SHARE MODE"
    )

def let_go(cursor):
    cursor.execute(
        "ROLLBACK TO SAVEPOINT barrier; RELEASE SAVEPOINT barrier;"
        "SET LOCAL transaction_timeout = 0; SET LOCAL transaction_timeout = %d" % asked["stay"]
    )

def hold(cursors):
    known = {database: tables(cursor) for database, cursor in cursors.items()}
    began = time.monotonic()
    for database in sorted(cursors, key=lambda database: len(known[database])):  # the customers' are locked last
        lock(cursors[database], known[database])
    seen = {database: tables(cursor) for database, cursor in cursors.items()}
    first = {database: answers(cursor, asked["questions"][database]) for database, cursor in cursors.items()}
    cursor = next(iter(cursors.values()))
    ((at,),) = answers(cursor, [asked["last commit"]])
    ((lsn,),) = answers(cursor, [asked["point"]])
    rows = {database: answers(cursor, asked["questions"][database]) for database, cursor in cursors.items()}
    for cursor in cursors.values():
        let_go(cursor)
    seconds = time.monotonic() - began
    if seen != known or rows != first:
        raise psycopg2.Error("a table was made, or a sequence went on, in the middle of it")
    exported = ["SELECT pg_export_snapshot()"]
    snapshots = {database: answers(cursor, exported)[0][0] for database, cursor in cursors.items()}
    return {"lsn": lsn, "at": at or "", "snapshots": snapshots, "rows": rows, "seconds": seconds}

cursors = {database: opened(database) for database in asked["questions"]}
try:
    said = hold(cursors)
except psycopg2.Error as error:
    late = any(cursor.connection.closed for cursor in cursors.values()) or error.pgcode == "40P01"  # deadlock detected
    said = "not every table could be locked within %d ms" % asked["limit"] if late else str(error).splitlines()[0]
    for cursor in cursors.values():
        cursor.connection.close()
    oldest = answers(opened("postgres"), [asked["oldest"]])
    print(json.dumps({"refused": said, "oldest": oldest[0][0] if oldest else ""}))
    sys.exit()
os.makedirs(folder, 0o700)
print(json.dumps(said), flush=True)
if os.fork():
    os._exit(0)  # without a word to the sessions, which are the child's now
os.setsid()
nowhere = os.open(os.devnull, os.O_RDWR)
for descriptor in range(3):
    os.dup2(nowhere, descriptor)
deadline = time.monotonic() + asked["stay"] / 1000
while os.path.exists(folder) and time.monotonic() < deadline:
    time.sleep(0.5)
for cursor in cursors.values():
    cursor.connection.close()
"""


def hold(run: str, limit: float, seconds: int, questions: Mapping[str, Sequence[str]]) -> Command[Held]:
    """Keep writers waiting for at most `limit` seconds, ask each database its statements of `questions` meanwhile.

    A snapshot of each database is kept for `seconds`, or until `replay.release`. NotVerified where not every lock was
    to be had in that time, and who keeps it: then nobody waits any more, and it can be tried again.
    """
    asked = {
        "limit": int(limit * 1000),
        "stay": seconds * 1000,
        "begin": BEGIN,
        "tables": TABLES,
        "questions": {database: list(statements) for database, statements in questions.items()},
        "last commit": LAST_COMMIT,
        "point": f"SELECT pg_create_restore_point('separuh-{run}')",
        "oldest": OLDEST,
    }
    program = f"ASKED = {json.dumps(asked)!r}\n{_HOLD}"
    return Command(argv=("python3", "-", folder(run)), stdin=program, parse=_held, within=60)


def _held(output: str) -> Held:
    said = json.loads(output)
    if refused := said.get("refused"):
        oldest = said["oldest"]
        who = f"the oldest writing transaction is {oldest}" if oldest else "none writes any more; see pg_prepared_xacts"
        raise NotVerified(f"{refused}; {who}")
    return Held(
        lsn=said["lsn"],
        at=said["at"],
        snapshots=said["snapshots"],
        rows={database: [tuple(row) for row in rows] for database, rows in said["rows"].items()},
        seconds=round(said["seconds"], 4),
    )
