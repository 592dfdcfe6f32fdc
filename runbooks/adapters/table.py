"""One table of a restored copy, brought into the running database under another name."""

from __future__ import annotations

import re
from datetime import datetime

from runbooks.core.command import Command, Query
from runbooks.core.errors import SeparuhError

LONGEST = 63  # letters of a name
_NAME = re.compile(r"([a-z_][a-z0-9_$]*)\.([a-z_][a-z0-9_$]*)")
# Both containers are on one engine's machine, so nothing passes through the runner.
_PIPE = """
set -o pipefail
docker exec "$1" pg_dump --table="$3" --no-owner --no-privileges --dbname="$4" |
  docker exec -i "$2" psql -Xq --set ON_ERROR_STOP=1 --single-transaction --output=/dev/null --dbname="$4"
"""


def named(table: str) -> tuple[str, str]:
    """Return schema and name of what an operator typed, `public` where no schema is given. SeparuhError: no name."""
    found = _NAME.fullmatch(table if "." in table else f"public.{table}")
    if not found:
        raise SeparuhError(f"--table {table}: write it as schema.table, in small letters")
    return found[1], found[2]


def copied_as(table: str, mark: str) -> str:
    """Return the name, with its schema, under which a table is brought in; `mark` tells of which point it is."""
    schema, name = named(table)
    return f"{schema}.{name[: LONGEST - len(mark) - 1]}_{mark}"


def of_time(at: datetime) -> str:
    """Return how a time stands in a name."""
    return f"{at:%Y%m%dt%H%M%S}"


def exists(database: str, table: str) -> Query[bool]:
    """Ask whether there is a table of that name, with its schema."""
    sql = f"SELECT to_regclass('{table}') IS NOT NULL"
    return Query(sql=sql, database=database, parse=lambda rows: rows[0][0] == "t")


def rows(database: str, table: str, within: float) -> Query[int]:
    """Count its rows."""
    sql = f"SELECT count(*) FROM {table}"  # noqa: S608 - as above
    return Query(sql=sql, database=database, parse=lambda rows: int(rows[0][0] or 0), within=within)


def rename(database: str, table: str, new: str, within: float) -> Command[str]:
    """Copy a table, in the copy that is thrown away, under its new name: columns and rows, without keys or triggers."""
    sql = f"DROP TABLE IF EXISTS {new}; CREATE TABLE {new} AS TABLE {table}"
    return Command(
        argv=("psql", "-Xq", "--set", "ON_ERROR_STOP=1", "--dbname", database, "--command", sql), within=within
    )


def carry_over(source: str, target: str, table: str, database: str, within: float) -> Command[str]:
    """Stream a table from one container into another, whole or not at all; for the machine on which both are."""
    return Command(argv=("bash", "-c", _PIPE, "bash", source, target, table, database), within=within)


def drop(database: str, table: str) -> Command[str]:
    """Remove what was brought in; nothing there is no error."""
    sql = f"DROP TABLE IF EXISTS {table}"
    return Command(argv=("psql", "-Xq", "--set", "ON_ERROR_STOP=1", "--dbname", database, "--command", sql))
