"""What `./inv test` makes of its options: which tests run, and in how many processes."""

from __future__ import annotations

import pytest

from runbooks.checks import DEFAULT, QUICK, pytest_argv


@pytest.mark.parametrize(
    ("quick", "everything", "marks"),
    [(False, False, ["-m", DEFAULT]), (True, False, ["-m", QUICK]), (False, True, [])],
    ids=["default", "quick", "all"],
)
def test_the_options_choose_the_marks_and_only_what_needs_no_engine_is_spread(
    quick: bool, everything: bool, marks: list[str]
) -> None:
    argv = pytest_argv(quick, everything, "")
    assert argv[1:3] == ["-m", "pytest"]
    assert argv[len(argv) - len(marks) :] == marks
    assert ("-m" in argv[3:]) == bool(marks)
    assert ("-n" in argv) == quick


def test_a_selection_comes_last_and_is_taken_by_one_process() -> None:
    argv = pytest_argv(True, False, "lease and not slow")
    assert argv[-4:] == ["-m", QUICK, "-k", "lease and not slow"]
    assert "-n" not in argv
