"""A member that comes back under Patroni: what its container's log tells of that, and whether anything moves."""

from __future__ import annotations

import re
from dataclasses import dataclass

from runbooks.adapters.postgres import PSQL
from runbooks.core.command import Command

# Each with what it means. From the sources of Patroni 4.0 and PostgreSQL 17, and seen.
_HOPELESS = {
    r"Failed to rewind from healthy primary": "pg_rewind failed",
    r"system ID mismatch": "its data is another cluster's",
    r"system ID is invalid": "what is in its data folder is no database",
    r"requested timeline \d+ is not a child": "it has gone on by itself from a point that the leader never had",
    r"could not (?:locate|find) a valid checkpoint|invalid checkpoint record": "its data is damaged",
}
_WAYS = {
    r"replica has been created using repository": "repository",
    r"replica has been created using basebackup": "leader",
    r"running pg_rewind from": "rewind",
}
_WAL_GONE = r"requested WAL segment \S+ has already been removed"
# It runs beside a leader of another history. Patroni compares the logs when a database starts, or another member leads.
_PARTED = r"requested starting point \S+ on timeline \d+ is not in this server's history"
_LOG = """
since=$(docker container inspect --format '{{.State.StartedAt}}' "$1")
docker logs --since "$since" "$1" 2>&1 | grep -aE "$2" | tail -n 50
"""
# A process that copies moves by itself; the segment that is replayed stands in the title of the process that does it.
# The brackets keep the search from finding the shell that looks.
_SIGNS = """
pgrep -af '^postgres: .*startup|pgbackres[t] .*restore|pg_baseback[u]p|pg_rewin[d]' || true
"$@" 'SELECT pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()' 2> /dev/null || true
"""
_COPYING = re.compile(r"pgbackrest|pg_basebackup|pg_rewind")
_PLACES = re.compile(r"[0-9A-F]{24}|[0-9A-F]+/[0-9A-F]+")


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a container's log tells since its last start.

    The `way` by which the member got its data, "" where it has its own; why it cannot follow, "" where nothing says so;
    `lacks`, where the log that it needs was gone at the leader; `parted`, where the leader's log is another than its
    own and nothing has been done about that.
    """

    way: str
    hopeless: str
    lacks: str
    parted: bool


@dataclass(frozen=True, kw_only=True)
class Signs:
    """Where a member's replay is, as far as it says: segments and LSNs. `copying`: data is brought to it now."""

    places: frozenset[str]
    copying: bool


def told(container: str) -> Command[Told]:
    """Ask an engine what a member's log tells."""
    words = (
        "|".join((*_HOPELESS, *_WAYS, _WAL_GONE, _PARTED))
        .replace("(?:", "(")
        .replace(r"\S+", "[^ ]+")
        .replace(r"\d", "[0-9]")
    )
    return Command(argv=("sh", "-c", _LOG, "sh", container, words), parse=_told, within=30)


def signs() -> Command[Signs]:
    """Ask a member, in its container, where it is."""
    return Command(argv=("sh", "-c", _SIGNS, "sh", *PSQL), parse=_signs, within=15)


def end_segment() -> Command[str]:
    """End the leader's segment behind a commit, and begin the next one: a standby archives it when that has come."""
    statements = (
        "SET synchronous_commit = local",
        "SELECT pg_current_xact_id()",
        "SELECT pg_switch_wal()",
        "SELECT pg_logical_emit_message(true, 'separuh', 'rejoin')",
    )
    words = (word for statement in statements for word in ("--command", statement))
    return Command(argv=(*PSQL[:-1], *words), within=30)


def _told(output: str) -> Told:
    way, hopeless, lacks, parted = "", "", "", False
    for line in output.splitlines():
        if begun := next((name for words, name in _WAYS.items() if re.search(words, line)), ""):
            way, hopeless, lacks, parted = begun, "", "", False  # what was said before is not said of this way
        hopeless = next(
            (f"{why}: {line.strip()}" for words, why in _HOPELESS.items() if re.search(words, line)), hopeless
        )
        lacks = line.strip() if re.search(_WAL_GONE, line) else lacks
        parted = parted or bool(re.search(_PARTED, line))
    return Told(way=way, hopeless=hopeless, lacks=lacks, parted=parted)


def _signs(output: str) -> Signs:
    return Signs(places=frozenset(_PLACES.findall(output)), copying=bool(_COPYING.search(output)))
