"""What this machine could not reach, remembered for a day, so that a closed network costs its deadline only once."""

from __future__ import annotations

import time
from pathlib import Path

from infra.machine import STATE

DAY_SECONDS = 24 * 3600


def remember(what: str, reason: str, folder: Path = STATE) -> None:
    """Keep that `what` failed just now, and why."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{what}.failed").write_text(reason + "\n")


def recall(what: str, folder: Path = STATE, now: float | None = None) -> str:
    """Return why `what` failed within the last day, or nothing. `now` is seconds since 1970."""
    path = folder / f"{what}.failed"
    try:
        age = (time.time() if now is None else now) - path.stat().st_mtime
        return path.read_text().strip() if 0 <= age < DAY_SECONDS else ""
    except FileNotFoundError:
        return ""
