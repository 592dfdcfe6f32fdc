"""How programs are run on the machine of a place's engine when it is this one, and what every such way promises.

`run(argv, feed, within)` is called from several threads at once and never outlives its limit: a place that does not
answer yields a code of None. `remote` is the other way, loaded only where a place is behind SSH.
"""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Output:
    """What a program left. `code` is None when it did not end in time or its place did not answer."""

    code: int | None
    stdout: bytes
    stderr: bytes


class Connection(Protocol):
    """A way to run programs on the machine of a place's engine."""

    def run(self, argv: tuple[str, ...], feed: Iterable[bytes] | None, within: float) -> Output:
        """Run `argv`, feeding it `feed` on stdin, for at most `within` seconds."""

    def close(self) -> None:
        """Let go of what was opened."""


class Local:
    """Programs on this machine. Not through Invoke: it reads stdin one byte every 10 ms."""

    def run(self, argv: tuple[str, ...], feed: Iterable[bytes] | None, within: float) -> Output:
        """Run `argv` in a session of its own, so that Ctrl-C reaches the runbook and not its programs."""
        stdin = subprocess.DEVNULL if feed is None else subprocess.PIPE
        with subprocess.Popen(
            argv, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        ) as process:
            pipe, process.stdin = process.stdin, None
            feeder = Feeder(feed, pipe)
            try:
                stdout, stderr = process.communicate(timeout=within)
            except subprocess.TimeoutExpired:
                process.kill()
                _, stderr = process.communicate()
                return Output(None, b"", stderr)
            except BaseException:
                process.kill()
                raise
            feeder.check()
        return Output(process.returncode, stdout, stderr)

    def close(self) -> None:
        """Nothing is kept open."""


class Feeder:
    """Writes a program's stdin beside the reading of what it says; a source that breaks is reported by `check`."""

    def __init__(self, feed: Iterable[bytes] | None, pipe: Any, end: Callable[[], None] = lambda: None) -> None:
        self._feed, self._pipe, self._end = feed, pipe, end
        self._broken: Exception | None = None
        self._thread = threading.Thread(target=self._write, daemon=True)
        if feed is not None and pipe is not None:
            self._thread.start()

    def _write(self) -> None:
        assert self._feed is not None
        try:
            for chunk in self._feed:
                if not self._put(chunk):
                    break
        except Exception as error:
            self._broken = error
        finally:
            with contextlib.suppress(OSError):
                self._pipe.close()
                self._end()

    def _put(self, chunk: bytes) -> bool:
        """Say whether the program still reads; one that ended early says why by its exit code."""
        try:
            self._pipe.write(chunk)
        except OSError:
            return False
        return True

    def check(self) -> None:
        """Raise what the source raised."""
        if self._broken:
            raise self._broken
