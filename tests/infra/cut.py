"""A Docker engine that goes away: its socket, forwarded until so many changes were asked for, and then gone."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

CHANGES = (b"POST ", b"PUT ", b"DELETE ")


class Cut:
    """Forwards `path` to `engine` (both unix sockets) and drops every connection after `changes` requests for one."""

    def __init__(self, path: Path, engine: str, changes: int) -> None:
        """The request that is one too many never reaches the engine."""
        self.path, self._engine, self._left = path, engine, changes
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        """Return it, listening."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Go away."""
        self.go()

    def go(self) -> None:
        """Close everything, as an engine that dies does."""
        with self._lock:
            self.path.unlink(missing_ok=True)
            for one in (self._listener, *self._open):
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()
            self._open.clear()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(self._engine)
                with self._lock:
                    self._open += [near, far]
                threading.Thread(target=self._pump, args=(near, far, True), daemon=True).start()
                threading.Thread(target=self._pump, args=(far, near, False), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, asking: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if asking and data.startswith(CHANGES) and self._is_over():
                    self.go()
                    return
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def _is_over(self) -> bool:
        with self._lock:
            self._left -= 1
            return self._left < 0
