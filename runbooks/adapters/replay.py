"""A standby held at one point of the log: replay is paused for a moment, in which each database gives a snapshot.

Not for as long as the snapshots are read: Patroni takes a pause for one of PostgreSQL's own, over a changed parameter,
and lets replay go on in its next round, a second later.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from runbooks.adapters.content import SNAPSHOT
from runbooks.adapters.postgres import PSQL, Row
from runbooks.core.command import Command, Query
from runbooks.core.errors import SeparuhError

NEXT = "-- next"  # between what is asked of one database and of the next
_PAUSE = """
DO $$ BEGIN
  PERFORM pg_wal_replay_pause();
  FOR turn IN 1..1000 LOOP
    EXIT WHEN pg_get_wal_replay_pause_state() = 'paused';
    PERFORM pg_sleep(0.005);
  END LOOP;
END $$
"""
_RESUME = 'psql -XAtq --dbname postgres --command "SELECT pg_wal_replay_resume() WHERE pg_is_in_recovery()" > /dev/null'
# A session a database, which ends when the folder is removed, or after so many seconds, whoever is gone by then.
_HOLD = f"""
folder=$1/$$ seconds=$2 pause=$3 n=0
shift 3
trap '{_RESUME}' EXIT
mkdir -p -m 0700 "$folder"
awk -v folder="$folder" 'BEGIN {{ n = 1 }} /^{NEXT}$/ {{ n++; next }} {{ print > (folder "/" n ".sql") }}'
stay() {{
  turn=0
  while [ -e "$folder" ] && [ $turn -lt "$seconds" ]; do turn=$((turn + 1)); sleep 1; done
}}
hold() {{
  exec < /dev/null > /dev/null 2>&1  # or the engine waits 2 s for whoever still has what this call was given
  {{ cat "$1.sql"; stay; }} | psql -XAtq --csv --set ON_ERROR_STOP=1 --dbname "$2" > "$1" 2>&1
}}
psql -XAtq --dbname postgres --command "$pause"
for database; do n=$((n + 1)); hold "$folder/$n" "$database" & done
for file in $(seq $n); do
  turn=0
  until grep -qs ^held, "$folder/$file" || [ $turn -ge 250 ]; do turn=$((turn + 1)); sleep 0.02; done
  sed "s/^/$file,/" "$folder/$file"
done
"""
_STANDING = """
SELECT 'held', pg_get_wal_replay_pause_state() = 'paused', pg_last_wal_replay_lsn(),
       to_char(pg_last_xact_replay_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"');
"""

WRITTEN = """
SELECT now.lsn, ('x' || left(pg_walfile_name(now.lsn), 8))::bit(32)::int FROM pg_current_wal_lsn() AS now (lsn)
"""


@dataclass(frozen=True, kw_only=True)
class Held:
    """Where a member was held: the end of what it had in it, the time of the last commit in that, "" if none.

    By database, the snapshot of that point, and the rows with which it answered then. `seconds` is for how long nobody
    could write, which a standby asks of nobody.
    """

    lsn: str
    at: str
    snapshots: Mapping[str, str]
    rows: Mapping[str, list[Row]]
    seconds: float = 0.0


def hold(run: str, seconds: int, questions: Mapping[str, str]) -> Command[Held | None]:
    """Pause replay, ask each database its SQL of `questions`, keep a snapshot of it for `seconds`, let replay go on.

    None where replay did not stand still for that long; SeparuhError where a database could not be asked.
    """
    asked = f"{NEXT}\n".join(f"{sql}\n{SNAPSHOT}{_STANDING}" for sql in questions.values())
    argv = ("sh", "-c", _HOLD, "sh", folder(run), str(seconds), _PAUSE, *questions)
    return Command(argv=argv, stdin=asked, parse=lambda said: _held(tuple(questions), said), within=30)


def release(run: str) -> Command[str]:
    """End what `hold` began; no error where nothing is held, or the member leads by now."""
    return Command(argv=("sh", "-c", f'rm -rf "$1"; {_RESUME}', "sh", folder(run)), within=30)


def streams() -> Query[bool]:
    """Ask a member whether it is a standby to which the leader sends its log."""
    sql = "SELECT EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming')"
    return Query(sql=sql, parse=lambda rows: rows[0][0] == "t", within=10)


def reached(lsn: str) -> Query[bool]:
    """Ask a standby whether it has replayed the log up to `lsn`."""
    sql = f"SELECT coalesce(pg_last_wal_replay_lsn() >= '{lsn}'::pg_lsn, false)"
    return Query(sql=sql, parse=lambda rows: rows[0][0] == "t", within=10)


def written() -> Query[tuple[str, int]]:
    """Ask the leader for the end of what it has written, and on which timeline."""
    return Query(sql=WRITTEN, parse=lambda rows: (str(rows[0][0]), int(rows[0][1] or 0)), within=10)


def clock() -> Query[datetime]:
    """Ask a server for its time, by which its commits are dated."""
    sql = "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"+00:00\"')"
    return Query(sql=sql, parse=lambda rows: datetime.fromisoformat(str(rows[0][0])), within=10)


def pass_moment() -> Command[str]:
    """Commit something and end the leader's segment: recovery up to a time stops at a later commit alone.

    Two transactions, as the commit must come first. One that has nothing but its number changes nothing.
    """
    return Command(argv=(*PSQL, "SELECT pg_current_xact_id()", PSQL[-1], "SELECT pg_switch_wal()"), within=30)


def close_segment(name: str) -> Command[str]:
    """Write one more record and end the leader's segment: a recovery stops at a record behind its target alone."""
    return Command(argv=(*PSQL, f"SELECT pg_create_restore_point('{name}'); SELECT pg_switch_wal()"), within=30)


def folder(run: str) -> str:
    """Return the folder without which what a run holds ends."""
    return f"/tmp/held-{run}"  # noqa: S108 - inside the container


def _held(databases: tuple[str, ...], output: str) -> Held | None:
    rows: dict[str, list[Row]] = {database: [] for database in databases}
    snapshots: dict[str, str] = {}
    stands: set[tuple[str, ...]] = set()
    held = 0
    for number, kind, *rest in csv.reader(io.StringIO(output)):
        database = databases[int(number) - 1]
        if kind == "snapshot":
            snapshots[database] = rest[0]
        elif kind == "held":
            stands.add(tuple(rest))
            held += 1
        else:
            rows[database].append((kind, *rest))
    if held < len(databases) or len(snapshots) < len(databases):
        raise SeparuhError(f"not every database could be held:\n{output.strip()}")
    if len(stands) > 1:
        return None
    ((paused, lsn, at),) = stands
    return Held(lsn=lsn, at=at, snapshots=snapshots, rows=rows) if paused == "t" else None
