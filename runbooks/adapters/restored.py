"""A PostgreSQL that is restored into a container of its own: brought there, started, looked at, stopped."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from runbooks.adapters.pgbackrest import program
from runbooks.core.command import Command, Query

LOG = "/tmp/postgresql.log"  # noqa: S108 - inside the container
TOLD = "recovery stopping before|redo done at|last completed transaction"
# Its source waits for a standby at each commit and is reached over the network; the copy is alone.
ALONE = "-c listen_addresses=127.0.0.1 -c synchronous_standby_names= -c shared_buffers=128MB"

_ENDS = {
    "before_lsn": re.compile(r'stopping before WAL location \(LSN\) "([0-9A-F]+/[0-9A-F]+)"'),
    "before_time": re.compile(r"stopping before (?:commit|abort) of transaction \d+, time (\S+ \S+)"),
    "replayed": re.compile(r"redo done at ([0-9A-F]+/[0-9A-F]+)"),
    "newest": re.compile(r"last completed transaction was at log time (\S+ \S+)"),
}
# It answers while it still recovers, and may end before the point is reached.
_START = """
pg_ctl status --pgdata "$1" > /dev/null ||
  pg_ctl start --silent --wait --timeout "$2" --pgdata "$1" --log "$3" --options "$4"
while pg_ctl status --pgdata "$1" > /dev/null; do
  [ "$(psql -XAtq --dbname postgres --command 'SELECT pg_is_in_recovery()')" = f ] && exit 0
  sleep 0.1
done
tail -n 8 "$3" >&2
exit 1
"""
_STOP = """
pg_ctl status --pgdata "$1" > /dev/null || exit 0
exec pg_ctl stop --silent --mode=fast --timeout=120 --pgdata "$1"
"""
_NEWEST = """
folder=$1 tools=$2
shift 2
for segment; do
  eval "$tools" archive-get '"$segment" "$folder/$segment"' || exit 1
  found=$(pg_waldump --rmgr=Transaction "$folder/$segment" 2> /dev/null |
    grep -o 'COMMIT [0-9-]* [0-9:.]* UTC' | tail -n 1)
  rm -f "$folder/$segment"
  [ -z "$found" ] || { echo "$found"; exit 0; }
done
"""


@dataclass(frozen=True, kw_only=True)
class End:
    """How a recovery ended; "" for what its log does not tell. Times are ISO 8601 in UTC.

    `before_lsn` or `before_time` are of the first record that it left out: the LSN, or the time of that commit. The log
    was replayed up to the record at `replayed`; the newest transaction in it ended at `newest`.
    """

    before_lsn: str = ""
    before_time: str = ""
    replayed: str = ""
    newest: str = ""


def restore(
    tools: Sequence[str], label: str, target: Sequence[str], timeline: int, path: str, within: float
) -> Command[str]:
    """Restore a backup by `tools` (as pgBackRest's lines begin) up to `target` (its options), into a folder to be made.

    What is restored cannot archive. The set is named: left to choose, pgBackRest takes one by time, not by LSN.
    """
    options = (
        *(f"--set={label}", *target, f"--target-timeline={timeline}"),
        *("--target-action=promote", "--archive-mode=off"),
    )
    script = 'mkdir -p -m 0700 "$0" && exec "$@"'
    argv = ("sh", "-c", script, path, *tools, *options, "restore")
    return Command(argv=argv, within=within)


def complete(path: str) -> Command[bool]:
    """Ask whether a restore came to its end: pgBackRest brings the control file last."""
    script = '[ -e "$1/global/pg_control" ] && echo yes || true'
    return Command(argv=("sh", "-c", script, "sh", path), parse=bool, within=10)


def start(path: str, within: float, log: str = LOG, options: str = ALONE) -> Command[str]:
    """Start the server, if it does not run, and wait until it takes writes. The end of its log is in the failure."""
    return Command(argv=("sh", "-c", _START, "sh", path, f"{within:g}", log, options), within=within + 10)


def ended() -> Command[End]:
    """Ask how recovery ended, by what the server's log tells of it."""
    return Command(argv=("grep", "-a", "-E", TOLD, LOG), parse=_end, within=10, ok=(0, 1))


def archiving() -> Query[tuple[str, int]]:
    """Ask for archive_mode, and how many segments the server has tried to archive."""
    sql = "SELECT current_setting('archive_mode'), archived_count + failed_count FROM pg_stat_archiver"
    return Query(sql=sql, parse=lambda rows: (str(rows[0][0]), int(rows[0][1] or 0)))


def amcheck(within: float) -> Command[str]:
    """Check every table, and that every index has an entry for each row of its table; exits 2 where it does not."""
    argv = ("pg_amcheck", "--all", "--heapallindexed", "--install-missing", "--no-strict-names")
    return Command(argv=("sh", "-c", 'exec "$@" >&2', "sh", *argv), within=within)  # its findings are no answer


def stop(path: str) -> Command[str]:
    """Stop the server cleanly, if it runs, as its pages are read next."""
    return Command(argv=("sh", "-c", _STOP, "sh", path), within=130)


def checksums(path: str, within: float) -> Command[int]:
    """Read every page of the stopped server; return how many were read. It fails where one has a wrong checksum."""
    return Command(argv=("pg_checksums", "--check", "--pgdata", path), parse=_scanned, within=within)


def newest_commit(stanza: str, repository: int, segments: Sequence[str], as_of: str = "") -> Command[datetime | None]:
    """Fetch `segments`, newest first, from the archive until one has a commit; return its last commit's time."""
    tools = shlex.join(program(stanza, repository, as_of))
    argv = ("env", "TZ=UTC", "sh", "-c", _NEWEST, "sh", "/data", tools, *segments)
    return Command(argv=argv, parse=_commit, within=120)


def versions() -> Command[dict[str, str]]:
    """Ask for the versions of the tools that restore and prove."""
    script = "postgres --version; pgbackrest version; pg_amcheck --version"
    return Command(argv=("sh", "-c", script), parse=_versions, within=10)


def _end(output: str) -> End:
    found = {name: said[1] if (said := pattern.search(output)) else "" for name, pattern in _ENDS.items()}
    times = {name: _utc(found[name]) for name in ("before_time", "newest") if found[name]}
    return End(**{**found, **times})


def _utc(told: str) -> str:
    return datetime.fromisoformat(told).astimezone(UTC).isoformat(timespec="microseconds")


def _scanned(output: str) -> int:
    found = re.search(r"Blocks scanned:\s+(\d+)", output)
    return int(found[1]) if found else 0


def _commit(output: str) -> datetime | None:
    if not output.strip():
        return None
    _, day, time, _ = output.split()
    return datetime.fromisoformat(f"{day}T{time}+00:00")


def _versions(output: str) -> dict[str, str]:
    found = (re.match(r"(\S+).*?(\d+\.\d+(\.\d+)?)", line) for line in output.splitlines())
    return {each[1]: each[2] for each in found if each}
