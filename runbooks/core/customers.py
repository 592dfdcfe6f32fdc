"""A probe beside whatever else is done: started, left alone, stopped, and read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from infra.settings import ROOT
from runbooks.core.errors import SeparuhError
from runbooks.core.figures import Figures
from runbooks.core.probe import Order

GRACE = 5  # seconds beyond the limit of the last payment


class Customers:
    """The process that carries out one order. Leaving the context ends it, whatever happened."""

    def __init__(self, order: Order) -> None:
        """Nothing runs before `start`."""
        self.order = order
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> Customers:
        """Start paying and return at once."""
        Path(self.order.acknowledged).parent.mkdir(parents=True, exist_ok=True)
        # A session of its own: Ctrl-C is for the runbook, which then stops the probe and still reads its figures.
        self._process = subprocess.Popen(
            (sys.executable, "-m", "runbooks.core.probe"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )
        assert self._process.stdin
        self._process.stdin.write(self.order.dump())
        self._process.stdin.close()
        self._process.stdin = None
        return self

    def stop(self) -> Figures:
        """Let nothing more be sent, wait for what is on its way, and return what was seen."""
        self._running().terminate()
        return self._read(self.order.within + GRACE)

    def wait(self) -> Figures:
        """Return what was seen when the whole order is carried out."""
        return self._read(self.order.seconds + self.order.within + GRACE)

    def acknowledged(self) -> str:
        """Return the file of acknowledged payments, once the probe has ended."""
        return Path(self.order.acknowledged).read_text()

    def __enter__(self) -> Customers:
        """Start."""
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        """End the process if it still runs."""
        if self._process and self._process.poll() is None:
            self._process.kill()
            self._process.communicate()

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            raise SeparuhError("the probe was not started")
        return self._process

    def _read(self, within: float) -> Figures:
        process = self._running()
        try:
            output, errors = process.communicate(timeout=within)
        except subprocess.TimeoutExpired as late:
            raise SeparuhError(f"the probe did not end within {within:.0f} s: its run counts for nothing") from late
        if process.returncode:
            last = errors.strip().splitlines()[-1:] or ["it said nothing"]
            raise SeparuhError(f"the probe ended with {process.returncode}: {last[0]}")
        return Figures.parse(json.loads(output))
