"""Segments of the log handed from one member's pg_wal to another's, which archives them in its own site's repository.

A member that was copied from the leader has the log from where the copying began, and takes it for archived; its
repository lacks that, and what is older.
"""

from __future__ import annotations

import base64

from runbooks.core.command import Command

# With the size of a whole one: a name alone may be of a file that is being made.
_LIST = 'find "$1" -maxdepth 1 -type f -size 16777216c -name "$2*" ! -name "*.*" -printf "%f\\n"'
_TAKE = """
umask 077
cat > "$1/$2.handed" && mv "$1/$2.handed" "$1/$2" && touch "$1/archive_status/$2.ready"
"""
_MARK = 'rm -f "$1.done" && touch "$1.ready"'


def segments(path: str, timeline: int) -> Command[list[str]]:
    """Ask which segments of a timeline lie in the pg_wal of the data folder `path`, in order."""
    argv = ("sh", "-c", _LIST, "sh", f"{path}/pg_wal", f"{timeline:08X}")
    return Command(argv=argv, parse=lambda output: sorted(output.split()), within=10)


def read(path: str, name: str) -> Command[bytes]:
    """Ask for a segment."""
    return Command(argv=("base64", "--wrap=0", f"{path}/pg_wal/{name}"), parse=base64.b64decode, within=60)


def take(path: str, name: str) -> Command[str]:
    """Have a member keep the segment that is fed to it, and archive it as one of its own."""
    return Command(argv=("sh", "-c", _TAKE, "sh", f"{path}/pg_wal", name), within=60)


def mark(path: str, name: str) -> Command[str]:
    """Have a member archive a segment that came with a copy of the leader, and so counts as archived."""
    return Command(argv=("sh", "-c", _MARK, "sh", f"{path}/pg_wal/archive_status/{name}"), within=10)
