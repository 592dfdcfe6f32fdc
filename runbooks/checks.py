"""The project's own checks: what every commit must pass, and the tests. No stack but `test` is touched."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import NoReturn

from infra.local_engine import ensure
from infra.settings import ROOT

QUICK = "not drill and not pulumi and not full and not thorough"
DEFAULT = "not full"
WORKERS = ("-n", "4", "--dist", "loadfile")  # more than two cores, as some wait; a file stays in one
TELL = ("-rs", "--durations=20", "--durations-min=5")  # why a test was skipped, and where the minutes went
CHECKS = (("ruff", "format", "--check", "."), ("ruff", "check", "."), ("mypy",))


def run_tests(quick: bool = False, everything: bool = False, select: str = "") -> NoReturn:
    """Become pytest, so that its closing line is the last and its exit code ours, and Ctrl-C reaches it directly.

    `quick` leaves out what needs an engine or Pulumi, `everything` adds the long repetitions; `select` is pytest's -k.
    The engine is put in place first: a test that finds none fails.
    """
    if not quick:
        ensure()
    os.chdir(ROOT)
    os.execv(sys.executable, pytest_argv(quick, everything, select))  # noqa: S606 - no shell is what is wanted


def pytest_argv(quick: bool, everything: bool, select: str) -> list[str]:
    """Return the command line of pytest for these choices."""
    marks = [] if everything else ["-m", QUICK if quick else DEFAULT]
    workers = WORKERS if quick and not select else ()
    return [sys.executable, "-m", "pytest", *TELL, *workers, *marks, *(["-k", select] if select else [])]


def check() -> int:
    """Run formatter, linter and type checker, all of them, and return how many were not content."""
    return sum(subprocess.run(argv, cwd=ROOT, check=False).returncode != 0 for argv in CHECKS)
