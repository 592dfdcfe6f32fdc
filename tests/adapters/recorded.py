"""What the real tools said, each file named by its tool and version."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent / "recordings"


def recorded(name: str) -> str:
    """Return one recording."""
    return (FOLDER / name).read_text()
