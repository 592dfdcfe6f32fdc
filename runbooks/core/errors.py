"""What can go wrong, and the exit code each ends with. Every message says what, where, and what to do next."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Stable exit codes; a record's `outcome` uses the same words (lower case, spaces for underscores)."""

    DONE = 0
    USAGE = 1
    NOT_READY = 3
    FAILED = 4
    LEASE_HELD = 5
    UNDONE = 6
    DEGRADED = 7


class SeparuhError(Exception):
    """An error meant for an operator: printed without a traceback."""

    exit = Exit.USAGE


class NotReady(SeparuhError):
    """A precheck refused; nothing was changed."""

    exit = Exit.NOT_READY


class LeaseHeld(SeparuhError):
    """Another run holds the stack's lease."""

    exit = Exit.LEASE_HELD


class NotVerified(SeparuhError):
    """A step ran, and the world does not show it within its deadline."""

    exit = Exit.UNDONE


class Undone(SeparuhError):
    """A run failed, and all that it had done was taken back."""

    exit = Exit.UNDONE


class Failed(SeparuhError):
    """A run failed where it could not be taken back; it can only be finished."""

    exit = Exit.FAILED


class CommandFailed(SeparuhError):
    """A program ended with an exit code that is no answer, or in no time at all."""

    exit = Exit.UNDONE

    def __init__(self, argv: tuple[str, ...], place: str, code: int | None, stderr: str) -> None:
        """`code` is None when the deadline passed or the place could not be reached."""
        self.argv, self.place, self.code, self.stderr = argv, place, code, stderr
        tail = "\n".join(f"    {line}" for line in stderr.strip().splitlines()[-8:])
        ended = "did not end in time" if code is None else f"exited {code}"
        super().__init__(f"{place}: {' '.join(argv)} {ended}\n{tail}".rstrip())
