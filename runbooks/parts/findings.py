"""The findings of a drill: each check timed and kept with how it ended; one that fails stops none of the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from runbooks.core.errors import CommandFailed, SeparuhError
from runbooks.core.evidence import Check
from runbooks.core.progress import Stopwatch
from runbooks.core.run import Run

MOST = 10  # lines of what was found that evidence repeats


def made(name: str, look: Callable[[], str | None]) -> Check:
    """Make the check `name`: `look` returns what it found, and raises a SeparuhError where that is not as it should."""
    watch = Stopwatch()
    try:
        return Check(name=name, outcome="passed", found=look() or "", seconds=round(watch.seconds, 2))
    except SeparuhError as failure:
        return Check(name=name, outcome="failed", found=said(failure), seconds=round(watch.seconds, 2))


def keep(run: Run, check: Check) -> None:
    """Keep how a check ended; made again after a resume, it takes the place of the earlier one."""
    others = [found for found in run.recall("checks", []) if found["name"] != check.name]
    run.remember("checks", [*others, asdict(check)])


def record(run: Run, name: str, look: Callable[[], str | None]) -> None:
    """Make the check `name` and keep how it ended."""
    keep(run, made(name, look))


def attempt(run: Run, name: str, act: Callable[[], None], advice: Callable[[], str] = str) -> None:
    """Do what is on the way to the check `name`: where that fails, so has the check. `advice`: what to do then."""
    try:
        act()
    except SeparuhError as failure:
        found = "\n".join(filter(None, (said(failure), advice())))
        keep(run, Check(name=name, outcome="failed", found=found))


def checks(run: Run) -> tuple[Check, ...]:
    """Return every check that was made."""
    return tuple(Check(**found) for found in run.recall("checks", []))


def usable(run: Run) -> bool:
    """Say whether there is a copy to look at: nothing on the way to it has failed."""
    return not any(check.name == "target" and check.outcome == "failed" for check in checks(run))


def short(text: str) -> str:
    """Return the first lines of what was found, and how many more there are."""
    lines = text.strip().splitlines()
    more = [f"and {len(lines) - MOST} lines more"] if len(lines) > MOST else []
    return "\n".join((*lines[:MOST], *more))


def said(failure: SeparuhError) -> str:
    """Return what went wrong; of a program what it said at last, and not the script by which it was called.

    What is no text, as where a program met another key's cipher, is not to reach a terminal or a page.
    """
    if isinstance(failure, CommandFailed) and (told := failure.stderr.strip()):
        told = "\n".join(told.splitlines()[-MOST:])
    else:
        told = short(str(failure))
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in told)
