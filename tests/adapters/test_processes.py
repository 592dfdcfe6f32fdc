"""Searches for pgBackRest's processes, against real ones of this machine that carry the same words."""

from __future__ import annotations

import subprocess

from runbooks.adapters import processes
from runbooks.core.command import Command


def test_searches_find_the_run_they_name_and_not_themselves() -> None:
    """A process with the same words in its arguments is found, for its own repository alone, and ended."""
    with subprocess.Popen(["sh", "-c", "sleep 60; :", "sh", "--annotation=run=t1", "--repo=1"]) as carrier:
        assert _says(processes.running(1, "t1"))
        assert not _says(processes.running(2, "t1"))
        assert not _says(processes.running(1, "t"))
        subprocess.run(processes.end("credit", 1, "t1").argv, check=True, timeout=30)
        assert carrier.wait(timeout=5) != 0
    subprocess.run(processes.end("credit", 1, "t1").argv, check=True, timeout=30)


def _says(question: Command[bool]) -> bool:
    answer = subprocess.run(question.argv, check=False, capture_output=True, text=True, timeout=10)
    return question.parse(answer.stdout)
