"""Telling the operator what is being done. It imports nothing heavy: every verb does."""

from __future__ import annotations

import sys
from collections.abc import Callable

Say = Callable[[str], None]


def say_on_stderr(line: str) -> None:
    """Print one plain line; standard output belongs to the task (`--json`)."""
    print(f"inv: {line}", file=sys.stderr, flush=True)
