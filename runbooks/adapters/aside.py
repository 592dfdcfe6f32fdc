"""A data folder set aside in its volume, under a name that carries the run; put back, counted, or removed for good."""

from __future__ import annotations

from dataclasses import dataclass

from runbooks.core.command import Command

MARK = ".before-"

# Where nothing is left of the data, an empty folder is what is set aside: then it is known that it was done.
_SET_ASIDE = """
[ -e "$2" ] && exit 0
[ -e "$1" ] || mkdir -p -m 0700 "$1" || exit 1
mv -T "$1" "$2" && sync "${2%/*}"
"""
_PUT_BACK = """
[ -e "$2" ] || exit 0
rm -rf "$1" && mv -T "$2" "$1" && sync "${2%/*}"
"""
_LIST = """
for folder in "$1"*"$2"*; do [ -d "$folder" ] && du -sb "$folder"; done
true
"""
_CLEAR = """
[ -e "$2" ] || { echo "$2 is not there: what is in $1 may be the only data" >&2; exit 1; }
rm -rf "$1"
"""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A data folder that a run has set aside."""

    run: str
    path: str
    size: int


def name(path: str, run: str) -> str:
    """Return where the data folder `path` is kept by `run`."""
    return f"{path}{MARK}{run}"


def set_aside(path: str, run: str) -> Command[str]:
    """Keep the data folder beside its place, which is free then; done already is no error."""
    return Command(argv=("sh", "-c", _SET_ASIDE, "sh", path, name(path, run)), within=60)


def put_back(path: str, run: str) -> Command[str]:
    """Put the folder that `run` has kept back in its place, and remove what is there; none kept is no error."""
    return Command(argv=("sh", "-c", _PUT_BACK, "sh", path, name(path, run)), within=600)


def clear(path: str, run: str) -> Command[str]:
    """Remove what is in the place of the folder that `run` has kept. It fails where none is kept."""
    return Command(argv=("sh", "-c", _CLEAR, "sh", path, name(path, run)), within=600)


def kept(path: str) -> Command[tuple[Kept, ...]]:
    """Ask which data folders that stood at `path` are kept, and how large they are, in bytes."""
    return Command(argv=("sh", "-c", _LIST, "sh", path, MARK), parse=_kept, within=60)


def release(path: str, run: str) -> Command[str]:
    """Remove the folder that `run` has kept, for good."""
    return Command(argv=("rm", "-rf", "--", name(path, run)), within=600)


def _kept(output: str) -> tuple[Kept, ...]:
    found = (line.split("\t") for line in output.splitlines())
    return tuple(Kept(run=path.partition(MARK)[2], path=path, size=int(size)) for size, path in found)
