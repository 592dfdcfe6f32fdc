"""What an operator sees while a run goes on: one live line a step on a terminal, one plain line a step elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress as Live
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

from runbooks.core.origin import now

COLOURS = {"done": "green", "skipped": "dim", "degraded": "yellow", "failed": "red", "undone": "yellow"}


class Progress:
    """The lines of one run. `expected` gives the usual seconds by a step's title."""

    def __init__(self, console: Console, expected: Mapping[str, float]) -> None:
        """Colours and live lines appear only on a terminal; NO_COLOR is honoured (both by rich)."""
        self._console, self._expected = console, expected

    def say(self, line: str) -> None:
        """Print a plain line."""
        self._console.print(line)

    @contextmanager
    def step(self, number: str, title: str) -> Iterator[None]:
        """Show a step as it runs, with elapsed and expected time."""
        if not self._console.is_terminal:
            yield
            return
        usual = self._expected.get(title)
        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
        hint = TextColumn(f"of about {usual:.0f} s" if usual else "")
        with Live(*columns, hint, console=self._console, transient=True) as live:
            live.add_task(f"{number} {title}", total=None)
            yield

    def ended(self, number: str, title: str, seconds: float, outcome: str) -> None:
        """Print the step's one lasting line."""
        usual = self._expected.get(title)
        beside = f" (usually {usual:.1f} s)" if usual and outcome == "done" else ""
        colour = COLOURS[outcome]
        line = f"{escape(f'{number:>6} {title:<52} {seconds:7.1f} s')}  [{colour}]{outcome}[/{colour}]{beside}"
        self._console.print(line, markup=True, highlight=False, soft_wrap=True)


class Stopwatch:
    """Seconds on the monotonic clock, which no change of the wall clock moves; `started_at` is the latter's, in UTC."""

    def __init__(self) -> None:
        """Start."""
        self._start, self.started_at = time.monotonic(), now()

    @property
    def seconds(self) -> float:
        """Seconds since the start, to the millisecond."""
        return round(time.monotonic() - self._start, 3)
