"""What the archived log tells: which transaction was committed when and where, and what it changed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from runbooks.adapters.archive import Archive
from runbooks.core.command import Command, Query

READING = 1800.0  # seconds
Relation = str  # tablespace/database/file, as the log names it

_COMMITS = """
from=$1 to=$2
shift 2
fetch "$@" || exit 1
read_all() {
  pg_waldump "$folder/$1" "$folder/$2" 2> /dev/null |
    awk -v from="$from" -v to="$to" -v timeline="${1%????????????????}" '
    function note(tx, kind, file, rows) {
      if (!((tx, kind, file) in count)) keys[tx] = keys[tx] SUBSEP kind ":" file
      count[tx, kind, file] += rows
    }
    { tx = lsn = kind = file = "" }
    match($0, /tx: +[0-9]+/) { tx = substr($0, RSTART + 3, RLENGTH - 3) + 0 }
    match($0, /lsn: [0-9A-F]+\\/[0-9A-F]+/) { lsn = substr($0, RSTART + 5, RLENGTH - 5) }
    match($0, /desc: [A-Z_]+/) { kind = substr($0, RSTART + 6, RLENGTH - 6) }
    match($0, /rel [0-9]+\\/[0-9]+\\/[0-9]+/) { file = substr($0, RSTART + 4, RLENGTH - 4) }
    /^rmgr: Heap/ && kind ~ /^(INSERT|UPDATE|HOT_UPDATE|DELETE|MULTI_INSERT|TRUNCATE)$/ {
      rows = 1
      if (kind == "MULTI_INSERT" && match($0, /ntuples: [0-9]+/)) rows = substr($0, RSTART + 9, RLENGTH - 9) + 0
      sub(/^HOT_|^MULTI_/, "", kind)
      note(tx, kind, file, rows)
    }
    /^rmgr: Storage/ && kind == "CREATE" && match($0, /CREATE base\\/[0-9]+\\/[0-9]+/) {
      note(tx, "CREATE", "1663/" substr($0, RSTART + 12, RLENGTH - 12), 1)
    }
    /^rmgr: Transaction/ && kind == "COMMIT" {
      match($0, /COMMIT [0-9-]+ [0-9:.]+/); at = substr($0, RSTART + 7, RLENGTH - 7)
      if (match($0, /rels:( base\\/[0-9]+\\/[0-9]+)+/)) {
        n = split(substr($0, RSTART + 6, RLENGTH - 6), gone, " ")
        for (i = 1; i <= n; i++) { sub(/^base/, "1663", gone[i]); note(tx, "DROP", gone[i], 1) }
      }
      told = ""
      own = tx
      if (match($0, /subxacts:( [0-9]+)+/)) own = own substr($0, RSTART + 9, RLENGTH - 9)
      n = split(own, parts, " ")
      for (i = 1; i <= n; i++) {
        m = split(keys[parts[i]], found, SUBSEP)
        for (j = 2; j <= m; j++) {
          split(found[j], what, ":")
          told = told " " found[j] ":" count[parts[i], what[1], what[2]]
          delete count[parts[i], what[1], what[2]]
        }
        delete keys[parts[i]]
      }
      if (at >= from && at <= to) print timeline "," at "," tx "," lsn "," substr(told, 2)
    }'
}
timeline= first= last=
for segment; do
  if [ "${segment%????????????????}" != "$timeline" ]; then
    [ -z "$first" ] || read_all "$first" "$last"
    timeline=${segment%????????????????} first=$segment
  fi
  last=$segment
done
read_all "$first" "$last"
"""
# The newest record of all; what is not in the archive yet may stand in the log of a folder that was set aside.
_NEWEST = """
log=$1 newest=$2
shift
last() { pg_waldump "$1" 2> /dev/null | grep -o 'lsn: [0-9A-F]*/[0-9A-F]*' | tail -n 1 | cut -d' ' -f2; }
for file in $(ls "$log" 2> /dev/null | grep -E "^${newest%????????????????}[0-9A-F]{16}$" | sort -r); do
  [ "$file" \\> "$newest" ] || break
  found=$(last "$log/$file")
  [ -z "$found" ] || { echo "$found $file"; exit 0; }
done
for segment; do
  fetch "$segment" || exit 1
  found=$(last "$folder/$segment")
  rm -f "$folder/$segment"
  [ -z "$found" ] || { echo "$found $segment"; exit 0; }
done
"""
_NEWEST_COMMIT = """
for segment; do
  fetch "$segment" || exit 1
  found=$(pg_waldump --rmgr=Transaction "$folder/$segment" 2> /dev/null |
    grep -o 'COMMIT [0-9-]* [0-9:.]* UTC' | tail -n 1)
  rm -f "$folder/$segment"
  [ -z "$found" ] || { echo "$found"; exit 0; }
done
"""
# Newest first, each with the one behind it, into which its last record may reach.
_OF = """
xid=$1 behind=
shift
for segment; do
  fetch "$segment" || exit 1
  [ "${behind%????????????????}" = "${segment%????????????????}" ] || behind=$segment
  pg_waldump --rmgr=Transaction --xid="$xid" "$folder/$segment" "$folder/$behind" 2> /dev/null |
    grep 'desc: COMMIT ' && exit 0
  [ "$behind" = "$segment" ] || rm -f "$folder/$behind"
  behind=$segment
done
"""


@dataclass(frozen=True, kw_only=True)
class Change:
    """Rows of one relation that a transaction has inserted, updated or deleted.

    CREATE and DROP are of the relation's file: a TRUNCATE gives a table a new one and drops the old.
    """

    kind: str
    relation: Relation
    rows: int


@dataclass(frozen=True, kw_only=True)
class Commit:
    """A transaction that was committed at `at`, its commit record at `lsn`, and what it changed, its parts included."""

    timeline: int
    at: datetime
    xid: int
    lsn: str
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, kw_only=True)
class End:
    """The last record of the log, and the segment in which it begins."""

    lsn: str
    segment: str


def commits(archive: Archive, segments: Sequence[str], start: datetime, end: datetime) -> Command[list[Commit]]:
    """Read the commits from `start` to `end` out of `segments` (in order)."""
    bounds = (f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}" for at in (start, end))
    argv = archive.reading(_COMMITS, *bounds, *segments)
    return Command(argv=argv, parse=_commits, within=READING)


def newest(archive: Archive, segments: Sequence[str], log: str) -> Command[End | None]:
    """Look for the last whole record in `segments` (newest first), and in the newer ones of the pg_wal folder `log`."""
    return Command(argv=archive.reading(_NEWEST, log, *segments), parse=_end, within=READING)


def newest_commit(archive: Archive, segments: Sequence[str]) -> Command[datetime | None]:
    """Look for the last commit in `segments`, newest first, and return its time."""
    return Command(argv=archive.reading(_NEWEST_COMMIT, *segments), parse=_time, within=READING)


def commit_of(archive: Archive, xid: int, segments: Sequence[str]) -> Command[Commit | None]:
    """Look for the commit of one transaction in `segments`, newest first."""
    argv = archive.reading(_OF, str(xid), *segments)
    return Command(argv=argv, parse=_found, within=READING, ok=(0, 1))


def relations(database: str) -> Query[Mapping[Relation, str]]:
    """Ask a living database which table each file belongs to, a TOAST table's to its owner."""
    sql = """
        SELECT coalesce(nullif(c.reltablespace, 0), d.dattablespace) || '/' || d.oid || '/'
               || pg_relation_filenode(c.oid),
               n.nspname || '.' || o.relname
          FROM pg_class AS c
          JOIN pg_database AS d ON d.datname = current_database()
          LEFT JOIN pg_class AS t ON t.reltoastrelid = c.oid
          JOIN pg_class AS o ON o.oid = coalesce(t.oid, c.oid)
          JOIN pg_namespace AS n ON n.oid = o.relnamespace
         WHERE c.relkind IN ('r', 't', 'm')
    """
    return Query(sql=sql, database=database, parse=lambda rows: {str(file): str(table) for file, table in rows})


def _commits(output: str) -> list[Commit]:
    return [_commit(*line.split(",")) for line in output.splitlines()]


def _commit(timeline: str, at: str, xid: str, lsn: str, told: str) -> Commit:
    changes = (change.split(":") for change in told.split())
    return Commit(
        timeline=int(timeline, 16),
        at=datetime.fromisoformat(f"{at}+00:00"),
        xid=int(xid),
        lsn=lsn,
        changes=tuple(Change(kind=kind, relation=file, rows=int(rows)) for kind, file, rows in changes),
    )


def _end(output: str) -> End | None:
    if not (words := output.split()):
        return None
    return End(lsn=words[0], segment=words[1])


def _time(output: str) -> datetime | None:
    if not (words := output.split()):
        return None
    return datetime.fromisoformat(f"{words[1]}T{words[2]}+00:00")


_COMMIT = re.compile(r"tx: +(\d+), lsn: ([0-9A-F/]+), .*COMMIT (\S+ \S+) UTC")


def _found(output: str) -> Commit | None:
    found = _COMMIT.search(output)
    if not found:
        return None
    at = datetime.fromisoformat(f"{found[3].replace(' ', 'T')}+00:00")
    return Commit(timeline=0, at=at, xid=int(found[1]), lsn=found[2])
