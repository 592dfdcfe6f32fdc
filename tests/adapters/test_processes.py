"""Searches for pgBackRest's processes, against real ones of this machine that carry the same words."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from runbooks.adapters import processes
from runbooks.core.command import Command


@contextmanager
def carrier(*words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process with these words in its arguments, which is no pgBackRest."""
    with subprocess.Popen(["sh", "-c", "sleep 60; :", "sh", *words]) as process:
        try:
            yield process
        finally:
            process.kill()


def test_searches_find_the_run_they_name_and_not_themselves() -> None:
    with carrier("--annotation=run=t1", "--repo=1") as one:
        assert _says(processes.running(1, "t1"))
        assert not _says(processes.running(2, "t1"))
        assert not _says(processes.running(1, "t"))
        subprocess.run(processes.end("credit", 1, "t1").argv, check=True, timeout=30)
        assert one.wait(timeout=5) != 0
    subprocess.run(processes.end("credit", 1, "t1").argv, check=True, timeout=30)


def test_a_run_that_backs_up_to_two_repositories_is_found_in_each() -> None:
    """Whichever process comes last in the search."""
    with carrier("--annotation=run=t2", "--repo=1"), carrier("--annotation=run=t2", "--repo=2"):
        assert _says(processes.running(1, "t2"))
        assert _says(processes.running(2, "t2"))


def test_an_expiry_is_waited_for_whoever_began_it_and_no_other_repository_s() -> None:
    with carrier("--repo=1", "expire") as one:
        subprocess.run(processes.await_expiry(2, 5).argv, check=True, timeout=5)
        with subprocess.Popen(processes.await_expiry(1, 5).argv) as waiting:
            with pytest.raises(subprocess.TimeoutExpired):
                waiting.wait(timeout=1.3)  # past its second look
            one.kill()
            one.wait()
            assert waiting.wait(timeout=5) == 0


def _says(question: Command[bool]) -> bool:
    """Return the answer, which like every answer comes with exit code 0."""
    answer = subprocess.run(question.argv, check=True, capture_output=True, text=True, timeout=10)
    return question.parse(answer.stdout)
