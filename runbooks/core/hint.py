"""The commands that a message tells the operator to type, with the stack that they are about."""

from __future__ import annotations

import os
import re
from typing import Any

from rich.console import Console

WITHOUT_STACK = ("check", "evidence.verify", "test")  # verbs that are about no stack
_VERB = re.compile(r"\./inv ([a-z][a-z-]*+(?:\.[a-z]++)?+)(?!(?:(?!\./inv ).)*--stack)", re.DOTALL)


def usual_stack() -> str:
    """Return the stack that is meant where none is named: SEPARUH_STACK, else `dev`; never Pulumi's selected one."""
    return os.environ.get("SEPARUH_STACK") or "dev"


def whole(text: str, stack: str) -> str:
    """Return `text` with `--stack` in each `./inv VERB` of it that names none, where another than `stack` is usual.

    What is copied from a message at a bad moment must not act on another stack. An empty `stack` is the usual one.
    """
    if stack in ("", usual_stack()):
        return text
    return _VERB.sub(lambda found: found[0] if found[1] in WITHOUT_STACK else f"{found[0]} --stack {stack}", text)


UNBROKEN = 200  # columns: what a log or another program reads is not folded as on a narrow screen
AS_IT_IS = {"markup": False, "highlight": False, "soft_wrap": True}


class Screen(Console):
    """A console on which each line is printed as it is, and its commands are whole: they name the stack."""

    def __init__(self, stack: str, **options: Any) -> None:
        """`options` are those of rich's Console."""
        super().__init__(**options)
        if not (self.is_terminal or "width" in options or "COLUMNS" in os.environ):
            self.width = UNBROKEN
        self._of = stack

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as rich does; lines without its markup, unless that is asked for."""
        if all(isinstance(each, str) for each in objects):
            objects, options = tuple(whole(each, self._of) for each in objects), AS_IT_IS | options
        super().print(*objects, **options)
