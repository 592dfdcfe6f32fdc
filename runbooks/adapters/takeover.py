"""A standby that is about to lead, and its archive: it is looked at before, so that it need not be in that moment."""

from __future__ import annotations

from collections.abc import Sequence

from runbooks.core.command import Command

MARK = "/spool/complete"  # for half a minute restore-wal finds nothing; nobody need remove it
_RELY = """
mark=$1 newer=$2
shift 2
rm -f "$mark" /spool/missed-*  # what was missed a moment ago is looked for again
if restore-wal "$newer" /tmp/newer "$@"; then
  echo "$newer is in the archive: another leader has been on that timeline" >&2
  exit 1
fi
touch "$mark"
"""


def rely_on_stream(timeline: int, repositories: Sequence[int]) -> Command[str]:
    """See that no repository has a timeline newer than `timeline`, and let the standby look there no more for a moment.

    CommandFailed where one has.
    """
    newer = f"{timeline + 1:08X}.history"
    return Command(argv=("sh", "-c", _RELY, "sh", MARK, newer, *map(str, repositories)), within=30)


def look_again() -> Command[str]:
    """Let the standby look into its archive as ever."""
    return Command(argv=("rm", "-f", MARK), within=10)
