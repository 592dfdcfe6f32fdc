"""Searches for pgBackRest's processes, against real ones of this machine that carry the same words."""

from __future__ import annotations

import subprocess
import time
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


def test_with_a_backup_its_workers_end_though_its_lock_is_gone() -> None:
    """They carry its number, and neither its run nor its annotation."""
    with carrier("--annotation=run=t5", "--repo=1") as main:
        words = ("--repo=1", "backup:local")
        with carrier(f"--exec-id={main.pid}-7f6d8ef3", *words) as its, carrier("--exec-id=1-7f6d8ef3", *words) as other:
            subprocess.run(processes.end("credit", 1, "t5").argv, check=True, timeout=30)
            assert its.wait(timeout=5) != 0
            assert other.poll() is None


def test_a_run_that_backs_up_to_two_repositories_is_found_in_each() -> None:
    """Whichever process comes last in the search."""
    with carrier("--annotation=run=t2", "--repo=1"), carrier("--annotation=run=t2", "--repo=2"):
        assert _says(processes.running(1, "t2"))
        assert _says(processes.running(2, "t2"))


@pytest.mark.thorough
def test_an_expiry_is_waited_for_whoever_began_it_and_no_other_repository_s() -> None:
    with carrier("--repo=1", "expire") as one:
        subprocess.run(processes.await_expiry(2, 5).argv, check=True, timeout=5)
        with subprocess.Popen(processes.await_expiry(1, 5).argv) as waiting:
            with pytest.raises(subprocess.TimeoutExpired):
                waiting.wait(timeout=1.3)  # past its second look
            one.kill()
            one.wait()
            assert waiting.wait(timeout=5) == 0


def test_what_moves_is_told_from_what_stands_still() -> None:
    """A process that reads has moved something; one that waits gives the same answer each time, and so does none."""
    question = processes.moved("credit", 1, "t4")
    words = ["sh", "-c", "while read line; do :; done", "sh", "--annotation=run=t4", "--repo=1"]
    assert _said(question) == _said(question)
    with subprocess.Popen(words, stdin=subprocess.PIPE) as reader:
        assert reader.stdin is not None
        waiting = _settled(question)
        assert "char" in waiting
        reader.stdin.write(b"more\n")
        reader.stdin.flush()
        assert _settled(question) != waiting


def _settled(question: Command[str]) -> str:
    """Return the answer once it is given twice: the process has come to where it waits."""
    earlier = ""
    for _ in range(50):
        if (now := _said(question)) == earlier:
            return now
        earlier = now
        time.sleep(0.1)
    raise AssertionError(f"it never stood still: {earlier}")


def _said(question: Command[str]) -> str:
    return subprocess.run(question.argv, check=True, capture_output=True, text=True, timeout=10).stdout


def _says(question: Command[bool]) -> bool:
    """Return the answer, which like every answer comes with exit code 0."""
    answer = subprocess.run(question.argv, check=True, capture_output=True, text=True, timeout=10)
    return question.parse(answer.stdout)
