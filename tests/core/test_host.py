"""Running programs on this machine: stdin, limits, and what an operator is told. Containers are tried by the drills."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator

import pytest
from rich.console import Console

from runbooks.core.command import Command
from runbooks.core.connection import Local
from runbooks.core.errors import CommandFailed
from runbooks.core.host import Host

MIB = 1024 * 1024


def host(plan_only: bool = False, console: Console | None = None) -> Host:
    """Return this machine as a place's."""
    return Host("here", Local(), False, plan_only, console or Console(file=io.StringIO()))


def test_stdin_and_stdout_of_many_megabytes_pass_unharmed() -> None:
    text = "rupiah\n" * (2 * MIB)
    assert host().ask(Command(argv=("cat",), stdin=text)) == text


def test_a_limit_ends_what_does_not_end_by_itself() -> None:
    began = time.monotonic()
    with pytest.raises(CommandFailed, match="did not end in time") as failure:
        host().ask(Command(argv=("sleep", "30"), within=0.3))
    assert time.monotonic() - began < 5
    assert failure.value.code is None


def test_a_failure_says_where_what_and_the_last_lines() -> None:
    with pytest.raises(CommandFailed, match=r"here: sh -c .* exited 3\n    because"):
        host().ask(Command(argv=("sh", "-c", "echo because >&2; exit 3")))


def test_an_exit_code_that_is_an_answer_is_no_failure() -> None:
    assert host().ask(Command(argv=("sh", "-c", "echo yes; exit 1"), ok=(0, 1))) == "yes\n"


def test_a_source_that_breaks_is_not_taken_for_its_end() -> None:
    def source() -> Iterator[bytes]:
        yield b"half"
        raise ValueError("the source broke")

    with pytest.raises(ValueError, match="the source broke"):
        host().do(Command(argv=("cat",)), source())


def test_a_program_that_does_not_read_its_stdin_is_judged_by_its_exit_code() -> None:
    host().do(Command(argv=("true",), stdin="x" * MIB))


def test_a_plan_shows_what_would_be_done_without_stdin_and_does_nothing(tmp_path: object) -> None:
    shown = Console(file=io.StringIO(), width=200)
    planning = host(plan_only=True, console=shown)
    planning.do(Command(argv=("touch", f"{tmp_path}/made by do"), stdin="a secret"))
    assert isinstance(shown.file, io.StringIO)
    assert shown.file.getvalue().strip() == f"here $ touch '{tmp_path}/made by do'"
    assert planning.ask(Command(argv=("ls", f"{tmp_path}"))) == ""
