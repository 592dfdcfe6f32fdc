"""Timelines: what a promotion begins, and the older ones that it goes on from, each up to a point of the log."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from runbooks.adapters.archive import Archive
from runbooks.adapters.pgbackrest import program
from runbooks.adapters.postgres import SEGMENT_BYTES, position
from runbooks.core.command import Command

FIRST = 1

_HISTORY = re.compile(r"(^|/)([0-9A-F]{8})\.history(\.\w+)?$")
_FORK = re.compile(r"^\s*(\d+)\s+([0-9A-F]+/[0-9A-F]+)", re.MULTILINE)
# A member that has lived on it knows it too, and one whose data was set aside.
_GET = """
if fetch "$1" 2> "$folder/said"; then
  cat "$folder/$1"
elif ! cat "$data/pg_wal/$1" 2> /dev/null && ! cat "$data".before-*/pg_wal/"$1" 2> /dev/null; then
  cat "$folder/said" >&2
  exit 1
fi
"""
_GET_AS_OF = """
file=$(mktemp "$1/history-XXXXXX") || exit 1
shift
"$@" "$file" && cat "$file"
code=$?
rm -f "$file"
exit $code
"""


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """A timeline and what it goes on from: for each older one, the LSN at which it was left."""

    number: int
    left: tuple[tuple[int, str], ...] = ()

    def has(self, number: int, lsn: str) -> bool:
        """Say whether `lsn` of timeline `number` is part of it: not so what was written there after it was left."""
        return number == self.number or any(
            number == older and position(lsn) <= position(end) for older, end in self.left
        )

    def at(self, lsn: str) -> int:
        """Return the timeline on which `lsn` was written: this one, or the older one that went so far."""
        return next((older for older, end in self.left if position(lsn) <= position(end)), self.number)

    def left_at(self, lsn: str, number: int) -> Timeline:
        """Return timeline `number`, which goes on from this one, left at `lsn`."""
        older = self.at(lsn)
        before = tuple((each, end) for each, end in self.left if position(end) < position(lsn) and each < older)
        return Timeline(number=number, left=(*before, (older, lsn)))

    def along(self, segments: Iterable[str]) -> list[str]:
        """Return which of `segments` lead along this timeline, in order; of two with the same part, the newer one."""
        ends = {older: position(end) // SEGMENT_BYTES for older, end in self.left}
        led: dict[int, str] = {}
        for name in sorted(segments):
            older, number = int(name[:8], 16), (int(name[8:16], 16) << 8) + int(name[16:], 16)
            if older == self.number or number <= ends.get(older, -1):
                led[number] = name
        return [led[number] for number in sorted(led)]


def history(archive: Archive, number: int) -> Command[Timeline]:
    """Fetch a timeline's history from the archive. Timeline 1 has none."""
    argv = archive.reading(_GET, f"{number:08X}.history")
    return Command(argv=argv, parse=lambda text: parse(number, text), within=300)


def history_as_of(stanza: str, repository: int, number: int, scratch: str, as_of: str = "") -> Command[Timeline]:
    """Fetch it where the data is, from the archive as it was then, by way of a file in the folder `scratch`."""
    get = (*program(stanza, repository, as_of), "archive-get", f"{number:08X}.history")
    argv = ("sh", "-c", _GET_AS_OF, "sh", scratch, *get)
    return Command(argv=argv, parse=lambda text: parse(number, text), within=60)


def archived(key: str) -> int:
    """Return the timeline whose history an archived object is, 0 if it is something else."""
    found = _HISTORY.search(key)
    return int(found[2], 16) if found else 0


def parse(number: int, text: str) -> Timeline:
    """Return what a history file says of timeline `number`."""
    return Timeline(number=number, left=tuple((int(older), end) for older, end in _FORK.findall(text)))
