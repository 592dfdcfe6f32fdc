"""pgBackRest's processes in a `backup` container: those that a runner started and, being dead, no longer waits for."""

from __future__ import annotations

from runbooks.core.command import Command

UNLOCKED = "no lock"

# The brackets keep the search from finding itself. `timeout` above pgBackRest carries the same words, and is found too.
_FIND = r"""
carrying() {
  for file in $(grep -slza -e "$1" /proc/[0-9]*/cmdline); do
    if grep -sqza -e "^--rep[o]=$2\$" "$file"; then echo "$file" | cut -d/ -f3; fi
  done
}
carrying_execution() { [ -z "$1" ] || grep -slza -e "^--exec-i[d]=$1\$" /proc/[0-9]*/cmdline | cut -d/ -f3; }
of_run() { carrying "^--annotation=ru[n]=$1\$" "$2"; }
expiring() { carrying '^expir[e]$' "$1"; }
"""

# A pgBackRest killed outright leaves workers that hold its lock for half a minute; the lock file names their parent.
# One that has let its lock go waits for its workers, and they for the store: they carry its number.
_END = (
    _FIND
    + r"""
begun=$(of_run "$@")
children() {
  for process in $begun; do grep -slza -e "^--exec-i[d]=$process-" /proc/[0-9]*/cmdline | cut -d/ -f3; done
}
workers() {
  execution=$(grep -so '"execId":"[^"]*"' "/tmp/pgbackrest/$3-backup-$2.lock" | cut -d'"' -f4)
  [ -n "$execution" ] && ! [ -d "/proc/${execution%%-*}" ] || return 0
  carrying_execution "$execution"
}
all() { of_run "$@"; workers "$@"; children; }
each() { for process in $(all "$@"); do kill "$signal" "$process" 2>/dev/null; done; }
signal=-TERM; each "$@"
turn=0
while [ -n "$(all "$@")" ] && [ $turn -lt 60 ]; do turn=$((turn + 1)); sleep 0.5; each "$@"; done
signal=-KILL; each "$@"
[ -z "$(all "$@")" ] || sleep 1
[ -z "$(all "$@")" ]
"""
)

# What was read and written by the processes of one execution, which their lock file names, and what they have finished.
_MOVED = (
    _FIND
    + r"""
lock=/tmp/pgbackrest/$3-backup-$2.lock
execution=$(grep -so '"execId":"[^"]*"' "$lock" | cut -d'"' -f4)
if [ -n "$execution" ]; then cat "$lock"; else echo no lock; fi
for process in $(of_run "$@") $(carrying_execution "$execution"); do
  grep -sh char "/proc/$process/io"
done
true
"""
)


def running(repository: int, run: str) -> Command[bool]:
    """Ask whether a backup that `run` started for the repository still runs in this container."""
    return Command(argv=("sh", "-c", f'{_FIND}of_run "$@"', "sh", run, str(repository)), parse=bool, within=10)


def moved(stanza: str, repository: int, run: str) -> Command[str]:
    """Ask what the backup that `run` started for the repository has moved so far: another answer is progress.

    It begins with UNLOCKED while pgBackRest has no lock: before it begins, and once it has given up or is done.
    """
    return Command(argv=("sh", "-c", _MOVED, "sh", run, str(repository), stanza), within=10)


def await_end(repository: int, run: str, within: float) -> Command[str]:
    """Wait until the backup that `run` started for the repository has ended by itself, at most `within` seconds."""
    script = f'{_FIND}while [ -n "$(of_run "$@")" ]; do sleep 1; done'
    return Command(argv=("sh", "-c", script, "sh", run, str(repository)), within=within)


def await_expiry(repository: int, within: float) -> Command[str]:
    """Wait until nothing expires in the repository from this container, at most `within` seconds; whoever began it."""
    script = f'{_FIND}while [ -n "$(expiring "$@")" ]; do sleep 1; done'
    return Command(argv=("sh", "-c", script, "sh", str(repository)), within=within)


def end(stanza: str, repository: int, run: str) -> Command[str]:
    """End the backup that `run` started for the repository, and wait until it is gone; none running is no error.

    What it had copied stays unlisted in the repository: pgBackRest's next backup takes up a full one where it stopped
    and removes one of another kind.
    """
    return Command(argv=("sh", "-c", _END, "sh", run, str(repository), stanza), within=60)
