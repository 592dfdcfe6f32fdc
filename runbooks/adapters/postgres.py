"""PostgreSQL, asked over its own socket: the archiver, the write-ahead log, recovery."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from runbooks.core.command import Command, Query

PSQL = ("psql", "-XAtq", "--dbname", "postgres", "--command")
SEGMENT_BYTES = 16 * 1024 * 1024
SEGMENTS_A_FILE = 256
PAGE_HEADER_BYTES = 40  # of a page of the log, at most
Row = tuple[str | None, ...]


@dataclass(frozen=True, kw_only=True)
class Archiver:
    """One member's archiver. `waiting` segments are not archived yet, the oldest since `lag_seconds`.

    `wal_bytes` is the size of all of pg_wal. `last_failed` is the segment that failed last, "" if none ever did.
    `leads`: the member takes writes; a standby archives too.
    """

    waiting: int
    lag_seconds: float
    wal_bytes: int
    last_archived: str
    last_failed: str
    failed_count: int
    leads: bool


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """Whether the member replays another's log, its timeline, and how far behind its replay is, in seconds."""

    in_recovery: bool
    replay_lag_seconds: float


# A segment that waits has a .ready file: its age is the lag, and an idle server without one has none.
ARCHIVER = """
SELECT r.waiting, r.lag, w.bytes, coalesce(a.last_archived_wal, ''), coalesce(a.last_failed_wal, ''), a.failed_count,
       NOT pg_is_in_recovery()
  FROM pg_stat_archiver a,
       (SELECT count(*) AS waiting, coalesce(extract(epoch FROM now() - min(modification)), 0) AS lag
          FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready') r,
       (SELECT coalesce(sum(size), 0) AS bytes FROM pg_ls_waldir()) w
"""

# A standby that replayed all it received is not behind, however long nothing was written.
RECOVERY = """
SELECT pg_is_in_recovery(),
       CASE WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
            ELSE coalesce(extract(epoch FROM now() - pg_last_xact_replay_timestamp()), 0) END
"""

# A server that was started anew knows no last commit until there is one; the times of those before are on its disk.
LAST_COMMIT = """
SELECT to_char(coalesce(last.timestamp, max(pg_xact_commit_timestamp(n::text::xid8::xid))) AT TIME ZONE 'UTC',
               'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')
  FROM pg_last_committed_xact() AS last, pg_snapshot_xmax(pg_current_snapshot()) AS next,
       generate_series(next::text::bigint - 100, next::text::bigint - 1) AS n
 GROUP BY last.timestamp
"""


def archiver() -> Query[Archiver]:
    """Ask a member (leader or standby: both archive) how its archiving stands."""
    return Query(sql=ARCHIVER, parse=_archiver)


def recovery() -> Query[Recovery]:
    """Ask whether the member is in recovery and how far behind it is."""
    return Query(sql=RECOVERY, parse=_recovery)


def databases_bytes() -> Query[int]:
    """Ask for the size of all databases, in bytes."""
    return Query(sql="SELECT sum(pg_database_size(oid)) FROM pg_database", parse=_first_number)


def last_commit() -> Query[str]:
    """Ask the leader when a transaction was last committed, ISO 8601 in UTC, "" if it does not know of any."""
    return Query(sql=LAST_COMMIT, parse=lambda rows: rows[0][0] or "")


def rewind_gets_in() -> Query[bool]:
    """Ask whether the role that rewinds a member may use the connections that are kept from customers."""
    sql = "SELECT pg_has_role('rewind', 'pg_use_reserved_connections', 'MEMBER')"
    return Query(sql=sql, parse=lambda rows: rows[0][0] == "t")


def let_rewind_in() -> Command[str]:
    """Let it use them. That does not wait for a standby: it is what brings one back."""
    return Command(argv=(*PSQL, "SET synchronous_commit = local; GRANT pg_use_reserved_connections TO rewind"))


def checkpoint() -> Command[str]:
    """Write a checkpoint, after which the control file names the timeline that the server is on."""
    return Command(argv=(*PSQL, "CHECKPOINT"), within=300)


# What a commit must hold to be flushed, and to wait for the standby, as a payment does; it changes nothing.
WORD = "pg_logical_emit_message(true, 'separuh', 'commits')"


def switch_wal() -> Command[str]:
    """End the leader's segment, which also wakes archivers that wait after failures."""
    return Command(argv=(*PSQL, "SELECT pg_switch_wal()"), within=30)


def missing(segments: Iterable[str]) -> list[str]:
    """Return the names of the segments (of 16 MiB) that are not among `segments` and should be.

    A timeline has no gap, and begins at the latest with the segment after the last one of the timeline before.
    """
    gaps: list[str] = []
    end = None
    for timeline, found in groupby(sorted(set(segments)), key=lambda name: name[:8]):
        numbers = [_number(name) for name in found]
        start = numbers[0] if end is None else min(numbers[0], end + 1)
        gaps += [_name(timeline, n) for n in sorted(set(range(start, numbers[-1])) - set(numbers))]
        end = numbers[-1]
    return gaps


def segment(lsn: str, timeline: int) -> str:
    """Return the name of the segment in which `lsn` lies."""
    return _name(f"{timeline:08X}", position(lsn) // SEGMENT_BYTES)


def distance(first: str, last: str) -> int:
    """Return how many bytes of the log are between two LSNs."""
    return position(last) - position(first)


def between(first: str, last: str) -> list[str]:
    """Return the names of the segments from `first` to `last`, both of one timeline, both included."""
    return [_name(first[:8], number) for number in range(_number(first), _number(last) + 1)]


def position(lsn: str) -> int:
    """Return an LSN as the number of bytes from the beginning of the log."""
    high, low = (int(half, 16) for half in lsn.split("/"))
    return (high << 32) + low


def _number(name: str) -> int:
    return int(name[8:16], 16) * SEGMENTS_A_FILE + int(name[16:], 16)


def _name(timeline: str, number: int) -> str:
    return f"{timeline}{number // SEGMENTS_A_FILE:08X}{number % SEGMENTS_A_FILE:08X}"


def _archiver(rows: list[Row]) -> Archiver:
    waiting, lag, size, archived, failed, count, leads = (field or "" for field in rows[0])
    return Archiver(
        waiting=int(waiting),
        lag_seconds=float(lag),
        wal_bytes=int(size),
        last_archived=archived,
        last_failed=failed,
        failed_count=int(count),
        leads=leads == "t",
    )


def _recovery(rows: list[Row]) -> Recovery:
    in_recovery, lag = rows[0]
    return Recovery(in_recovery=in_recovery == "t", replay_lag_seconds=float(lag or 0))


def _first_number(rows: list[Row]) -> int:
    return int(rows[0][0] or 0)


def started() -> Query[str]:
    """Ask when this server was started: another moment is another life of it."""
    return Query(sql="SELECT pg_postmaster_start_time()", parse=lambda rows: str(rows[0][0]), within=5)
