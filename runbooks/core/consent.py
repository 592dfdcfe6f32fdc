"""What cannot be undone is agreed to by typing the stack's name: a `y` is typed too easily."""

from __future__ import annotations

import sys

from infra.settings import Settings
from runbooks.core.errors import NotReady


def expect_name(settings: Settings, typed: str, what: str) -> None:
    """Raise NotReady unless the stack's name was `typed` already, or is now where somebody can be asked."""
    asked = f"type the stack's name ({settings.stack}) to {what}"
    if not typed and sys.stdin.isatty():
        typed = input(f"{asked}: ").strip()
    if typed != settings.stack:
        raise NotReady(f"{asked}, with --confirm {settings.stack} where nobody can be asked; nothing was changed")
