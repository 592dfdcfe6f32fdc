"""A site's PgBouncer, talked to from the site's `backup` container: whom it lets through, and what is behind it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass, field

from runbooks.adapters.postgres import WORD
from runbooks.core.command import Command, T

CONSOLE = "pgbouncer"
SAID_NO = 1  # of psql: a statement was refused; that nobody answers is 2

# The password comes by stdin, and reaches psql by a file that nobody else can read.
_PSQL = """
umask 077
file=$(mktemp /tmp/pass-XXXXXX) || exit 1
trap 'rm -f "$file"' EXIT
cat > "$file"
code=0 to="host=$1 port=$2 user=$3 dbname=$4 sslmode=verify-full sslrootcert=/config/ca.crt connect_timeout=3"
shift 4
for told; do PGPASSFILE=$file psql -XAq --csv --command "$told" "$to" || code=$?; done
exit $code
"""


@dataclass(frozen=True, kw_only=True)
class Way:
    """How a user reaches the pooler: `address` is host:port as the site's own LAN knows it."""

    address: str
    database: str
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Door:
    """How the pooler stands to clients: `shut` turns new ones away at once, `held` makes those it has wait."""

    shut: bool
    held: bool


def door(admin: Way) -> Command[Door]:
    """Ask whether clients are let through; `admin` is its own user, and the database that it would lead to."""
    return _psql(admin, CONSOLE, ("SHOW DATABASES",), lambda said: _door(said, admin.database))


def shut(admin: Way) -> Command[str]:
    """Turn new clients away and drop every connection, to clients and to the server; shut already is no error."""
    return _tell(admin, "DISABLE", "KILL")


def open_again(admin: Way) -> Command[str]:
    """Let clients through; that they were not kept out is no error."""
    return _tell(admin, "RESUME", "ENABLE")


def leads_to_leader(client: Way) -> Command[bool]:
    """Ask, through pooler and route as the workload does, whether what answers takes writes."""
    statement = "SELECT NOT pg_is_in_recovery() AS writes"
    return _psql(client, client.database, (statement,), lambda said: said.split()[-1:] == ["t"])


def write(client: Way) -> Command[str]:
    """Commit a word in the log, which changes nothing, through pooler and route as the workload does."""
    return _psql(client, client.database, (f"SELECT {WORD}",), str)


def _tell(admin: Way, *verbs: str) -> Command[str]:
    """Tell the console; what it refuses, as it is so already, is no error: how the door stands is asked for."""
    statements = tuple(f"{verb} {admin.database}" for verb in verbs)
    return _psql(admin, CONSOLE, statements, str, ok=(0, SAID_NO))


def _psql(
    way: Way, database: str, statements: tuple[str, ...], parse: Callable[[str], T], ok: tuple[int, ...] = (0,)
) -> Command[T]:
    host, _, port = way.address.rpartition(":")
    escaped = way.password.replace("\\", "\\\\").replace(":", "\\:")
    argv = ("sh", "-c", _PSQL, "sh", host, port, way.user, database, *statements)
    return Command(argv=argv, stdin=f"*:*:*:*:{escaped}\n", parse=parse, within=15, ok=ok)


def _door(output: str, database: str) -> Door:
    (found,) = [row for row in csv.DictReader(io.StringIO(output)) if row["name"] == database]
    return Door(shut=found["disabled"] == "1", held=found["paused"] == "1")
