"""Ctrl-C, SIGTERM and SIGHUP are failures like any other: what was done is undone, and undoing is not interrupted."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(KeyboardInterrupt):
    """Somebody asked the run to stop."""


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    del frame
    raise Interrupted(f"interrupted by {signal.Signals(number).name}")


@contextmanager
def _handled_by(handler: signal.Handlers | object) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers, and only it receives signals
        return
    before = {number: signal.signal(number, handler) for number in SIGNALS}  # type: ignore[arg-type]
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise Interrupted in the main thread when a signal asks the run to stop."""
    with _handled_by(_interrupt):
        yield


@contextmanager
def deaf() -> Iterator[None]:
    """Ignore further signals, while what was done is undone."""
    with _handled_by(signal.SIG_IGN):
        yield
