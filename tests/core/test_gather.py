"""Several things at the same time: together they begin, and none is left behind by another's failure."""

from __future__ import annotations

import threading

import pytest

from runbooks.core.errors import NotReady
from runbooks.core.gather import together

WITHIN = 10.0  # seconds


def test_each_begins_before_any_has_to_end() -> None:
    meeting = threading.Barrier(2, timeout=WITHIN)

    def meet() -> None:
        meeting.wait()

    together(meet, meet)()


def test_all_are_ended_when_the_first_failure_is_raised() -> None:
    ended: list[str] = []

    def fail(why: str) -> None:
        raise NotReady(why)

    def end(why: str) -> None:
        ended.append(why)

    with pytest.raises(NotReady, match="no leader"):
        together(fail, end)("no leader")
    assert ended == ["no leader"]
