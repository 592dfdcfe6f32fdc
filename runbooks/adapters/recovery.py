"""A serving data folder restored: brought back, recovered to a point and held there, promoted; by hand, under Patroni.

What pgBackRest brings back runs in its member's own container, where Patroni sees it and, paused, leaves it alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from runbooks.adapters.pgbackrest import program
from runbooks.core.command import Command, Query

LOG = "/tmp/recovery.log"  # noqa: S108 - inside the container
# Nobody reaches it but by its socket until Patroni starts it anew; it waits for no standby. What it has to archive once
# it is promoted is marked so, and goes only then: a silent store would keep it from being stopped for minutes.
ALONE = "-c listen_addresses= -c synchronous_standby_names= -c archive_mode=on -c archive_command="

# PostgreSQL takes 1 for "there is no more" and goes on without; above 125 it gives up, and nothing is cut short.
_FETCH = """
file=$1 path=$2 unheard=
for repository in {repositories}; do
  {tools} --repo=$repository archive-get "$file" "$path"
  case $? in
    0) exit 0 ;;
    1) ;;
    *) unheard=yes ;;
  esac
done
cp "{kept}/pg_wal/$file" "$path" 2> /dev/null && exit 0
[ -z "$unheard" ] || exit 200
exit 1
"""
# What a dead runner has left is ended first; by its own name, as whoever looks carries the same words. No PostgreSQL
# but one that settles a standby ever runs in a backup container.
_END = """
restoring() {
  for process in $(pgrep -x pgbackrest); do
    tr '\\0' ' ' < "/proc/$process/cmdline" | grep -Eq ' restore(:| |$)' && echo "$process"
  done
}
while [ -n "$(restoring)" ]; do kill -KILL $(restoring); sleep 0.2; done
while pkill -KILL -x postgres; do sleep 0.2; done
true
"""
_RESTORE = 'mkdir -p -m 0700 "$0" && exec "$@"'
_START = """
path=$1 log=$2 within=$3 fetch=$4
umask 077
cat > "$fetch" || exit 1
pg_ctl status --pgdata "$path" > /dev/null ||
  pg_ctl start --silent --wait --timeout "$within" --pgdata "$path" --log "$log" --options "$5"
while pg_ctl status --pgdata "$path" > /dev/null; do
  [ "$(psql -XAtq --dbname postgres --command "$6")" = t ] && exit 0
  sleep 0.2
done
tail -n 8 "$log" >&2
exit 1
"""
# A postmaster whose folder was taken away does not answer to pg_ctl. An archiver whose store is silent keeps its server
# for minutes: it is not waited for, as what it has is kept with the data.
_STOP = """
pg_ctl stop --silent --mode=fast --no-wait --pgdata "$1" > /dev/null 2>&1 || pkill -QUIT -x postgres
turn=0
while pgrep -x postgres > /dev/null; do
  turn=$((turn + 1))
  [ $turn -gt 50 ] && pkill -KILL -x pgbackrest
  [ $turn -gt 600 ] && pkill -QUIT -x postgres
  [ $turn -gt 650 ] && pkill -KILL -x postgres
  [ $turn -lt 700 ] || exit 1
  sleep 0.2
done
"""
_STANDBY = """
postgres -D "$1" -c listen_addresses= -c unix_socket_directories=/tmp -c archive_mode=off -c shared_buffers=128MB \
  -c recovery_target_timeline=current -c primary_conninfo= -c hot_standby=off -c logging_collector=off \
  > /tmp/standby.log 2>&1
pg_controldata "$1" | grep -q 'shut down in recovery' && exit 0
tail -n 8 /tmp/standby.log >&2
exit 1
"""
_HISTORY = """
[ -e "$1/$2" ] || exit 0
rm -f "$1/archive_status/$2.done" && touch "$1/archive_status/$2.ready"
"""
_HELD = "SELECT NOT pg_is_in_recovery() OR pg_get_wal_replay_pause_state() = 'paused'"


@dataclass(frozen=True, kw_only=True)
class Point:
    """Where a recovery stands: `held` at its target. `at` is the time of the last commit that it has, if any."""

    held: bool
    lsn: str
    at: datetime | None


def restore(
    stanza: str, repository: int, label: str, target: Sequence[str], timeline: int, path: str, within: float
) -> Command[str]:
    """Restore a backup into `path`, to be recovered along `timeline` to the target and held there."""
    options = (f"--pg1-path={path}", f"--set={label}", *target, "--target-action=pause")
    argv = (*program(stanza, repository), *options, f"--target-timeline={timeline}", "restore")
    return Command(argv=("sh", "-c", _RESTORE, path, *argv), within=within)


def restore_copy(
    stanza: str, repository: int, label: str, target: Sequence[str], timeline: int, path: str, within: float
) -> Command[str]:
    """Restore a backup into a folder of a throwaway container, to be promoted at the target; it cannot archive."""
    options = (f"--set={label}", *target, "--target-action=promote", f"--target-timeline={timeline}")
    argv = (*program(stanza, repository), *options, "--archive-mode=off", "restore")
    return Command(argv=("sh", "-c", _RESTORE, path, *argv), within=within)


def end_restore() -> Command[str]:
    """End whatever is restored, or settled as a standby, in a backup container; nothing is no error."""
    return Command(argv=("sh", "-c", _END), within=30)


def restore_standby(stanza: str, repository: int, label: str, path: str, within: float) -> Command[str]:
    """Restore a backup into `path` as a standby's, to be stopped where it is consistent.

    That stands in its configuration, not on a command line: PostgreSQL takes the empty targets that Patroni has written
    there for others beside it. Patroni removes it when it starts the standby.
    """
    targets = ("recovery_target=immediate", "recovery_target_action=shutdown")
    options = ("--type=standby", *(f"--recovery-option={option}" for option in targets))
    argv = (*program(stanza, repository), f"--pg1-path={path}", f"--set={label}", *options, "restore")
    return Command(argv=("sh", "-c", _RESTORE, path, *argv), within=within)


def start(stanza: str, repositories: Sequence[int], kept: str, timeline: int, path: str, within: float) -> Command[str]:
    """Start what was restored and wait until it is held at its target. The end of its log is in the failure.

    Segments come from the repositories in this order, then from the log of the folder that is `kept`. The one that a
    promotion begins goes on from `timeline`: it must be the one on which the point lies.
    """
    tools = " ".join(word for word in program(stanza))
    fetch = f"{path}.fetch"
    script = _FETCH.format(repositories=" ".join(map(str, repositories)), tools=tools, kept=kept)
    options = f"{ALONE} -c recovery_target_timeline={timeline} -c restore_command='sh {fetch} %f %p'"
    argv = ("sh", "-c", _START, "sh", path, LOG, f"{within:g}", fetch, options, _HELD)
    return Command(argv=argv, stdin=script, within=within + 10)


def point() -> Query[Point]:
    """Ask where a recovery stands."""
    sql = """
        SELECT pg_is_in_recovery() AND pg_get_wal_replay_pause_state() = 'paused', pg_last_wal_replay_lsn(),
               to_char(pg_last_xact_replay_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')
    """
    return Query(sql=sql, parse=_point, within=10)


def promote() -> Command[str]:
    """Let the recovery be over and a new timeline begin."""
    return Command(
        argv=("psql", "-XAtq", "--dbname", "postgres", "--command", "SELECT pg_promote(true, 120)"), within=130
    )


def forget_fetch(path: str) -> Command[str]:
    """Remove the script by which a recovery fetched its segments."""
    return Command(argv=("rm", "-f", f"{path}.fetch"), within=10)


def stop(path: str) -> Command[str]:
    """Stop the member's PostgreSQL, and one whose folder is gone; none running is no error."""
    return Command(argv=("sh", "-c", _STOP, "sh", path), within=180)


def start_as_it_was(path: str) -> Command[str]:
    """Start a member's PostgreSQL with the settings that Patroni has written into its folder, for Patroni to find."""
    argv = ("pg_ctl", "start", "--silent", "--wait", "--timeout", "60", "--pgdata", path, "--log", LOG)
    return Command(argv=argv, within=70)


def settle_standby(path: str) -> Command[str]:
    """Replay a restored standby to where it is consistent, and stop it cleanly: Patroni takes it over from there."""
    return Command(argv=("sh", "-c", _STANDBY, "sh", path), within=3600)


def stopped() -> Command[bool]:
    """Ask whether no PostgreSQL runs in a member's container."""
    argv = ("sh", "-c", "pgrep -x postgres > /dev/null || echo stopped")
    return Command(argv=argv, parse=lambda said: said.strip() == "stopped", within=10)


def listening() -> Query[bool]:
    """Ask whether the server takes connections from the network, as one does that Patroni has started."""
    sql = "SELECT current_setting('listen_addresses') <> '' AND NOT pg_is_in_recovery()"
    return Query(sql=sql, parse=lambda rows: rows[0][0] == "t", within=10)


def timeline() -> Query[int]:
    """Ask a server that takes writes for the timeline that it writes."""
    sql = "SELECT ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int"
    return Query(sql=sql, parse=lambda rows: int(rows[0][0] or 0), within=10)


def writing() -> Query[str]:
    """Ask a server that takes writes which segment it writes."""
    return Query(sql="SELECT pg_walfile_name(pg_current_wal_lsn())", parse=lambda rows: str(rows[0][0]), within=10)


def commit_and_switch() -> Command[str]:
    """Write a commit that changes nothing, so that a target before now is surely passed, and end the segment.

    It waits for no standby: with `durability: strict` there may be none yet.
    """
    statements = ("SET synchronous_commit = local", "SELECT pg_current_xact_id()", "SELECT pg_switch_wal()")
    told = (word for statement in statements for word in ("--command", statement))
    return Command(argv=("psql", "-XAtq", "--dbname", "postgres", *told), within=30)


def archive_history(path: str, timeline: int) -> Command[str]:
    """Have a member archive a timeline's history that it has; one that came by a copy of the leader counts as archived.

    Not having it is no error: it comes with the log, and is archived then.
    """
    return Command(argv=("sh", "-c", _HISTORY, "sh", f"{path}/pg_wal", f"{timeline:08X}.history"), within=10)


def committed_at(xid: int) -> Query[str]:
    """Ask when a transaction was committed, ISO 8601 in UTC; "" for one that was not, or is too old to be known."""
    sql = f"""
        SELECT coalesce(to_char(pg_xact_commit_timestamp('{int(xid)}'::xid) AT TIME ZONE 'UTC',
                                'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'), '')
    """
    return Query(sql=sql, parse=lambda rows: rows[0][0] or "", within=10)


def _point(rows: list[tuple[str | None, ...]]) -> Point:
    held, lsn, at = rows[0]
    return Point(held=held == "t", lsn=lsn or "", at=datetime.fromisoformat(at) if at else None)
