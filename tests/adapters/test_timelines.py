"""Timelines, by a history file as PostgreSQL 17 writes it."""

from __future__ import annotations

import pytest

from runbooks.adapters import timelines
from runbooks.adapters.archive import Archive
from runbooks.adapters.timelines import Timeline

ARCHIVE = Archive(stanza="credit", repository=2, path="/data/17/1", scratch="/data")
HISTORY = "1\t0/1C0001D0\tno recovery target specified\n\n2\t1/A000000\tbefore 2026-11-24 13:10:00+00\n"
THIRD = Timeline(number=3, left=((1, "0/1C0001D0"), (2, "1/A000000")))


def test_a_history_is_fetched_by_its_name() -> None:
    """Eight digits in base sixteen; the file that it passes through is removed."""
    command = timelines.history(ARCHIVE, 26)
    assert command.argv[-1] == "0000001A.history"
    assert "--repo=2" in command.argv[-2]
    assert timelines.history(ARCHIVE, 3).parse(HISTORY) == THIRD


def test_a_history_is_fetched_as_it_was_then() -> None:
    """By a file that is removed."""
    command = timelines.history_as_of("credit", 2, 26, "/tmp")  # noqa: S108 - inside the container
    assert command.argv[-2:] == ("archive-get", "0000001A.history")
    assert "--repo=2" in command.argv
    assert timelines.history_as_of("credit", 2, 3, "/tmp").parse(HISTORY) == THIRD  # noqa: S108


def test_on_which_timeline_a_point_lies() -> None:
    """A new timeline goes on from that one, and the later ones are no part of its past."""
    points = ("0/1C0001D0", "0/1C0001D1", "1/A000000", "1/A000001")
    assert [THIRD.at(lsn) for lsn in points] == [1, 2, 2, 3]
    assert THIRD.left_at("0/5", 4) == Timeline(number=4, left=((1, "0/5"),))
    assert THIRD.left_at("0/1D000000", 4) == Timeline(number=4, left=((1, "0/1C0001D0"), (2, "0/1D000000")))
    assert THIRD.left_at("2/0", 4) == Timeline(number=4, left=(*THIRD.left, (3, "2/0")))


def test_the_segments_along_a_timeline() -> None:
    """Of what two timelines have the newer one's is taken, and nothing that was left behind."""
    names = [
        *(f"000000010000000000000{number}" for number in ("01B", "01C", "01D")),
        *(f"000000020000000000000{number}" for number in ("01C", "01D")),
        "000000030000000100000" + "00A",
    ]
    assert THIRD.along(names) == [names[0], names[3], names[4], names[5]]
    assert Timeline(number=1).along(names) == names[:3]


@pytest.mark.parametrize(
    ("number", "lsn", "part"),
    [
        (3, "9/0", True),
        (2, "1/A000000", True),
        (2, "1/A000001", False),
        (1, "0/FFFFFFF", True),
        (1, "0/1C0001D1", False),
        (4, "0/1", False),
    ],
)
def test_what_was_written_after_a_timeline_was_left_is_no_part(number: int, lsn: str, part: bool) -> None:
    """The LSN at which it was left is the last that both have."""
    assert THIRD.has(number, lsn) is part


@pytest.mark.parametrize(
    ("key", "number"),
    [
        ("pgbackrest/archive/credit/17-1/0000000A.history", 10),
        ("pgbackrest/archive/credit/17-1/0000000100000000/000000010000000000000002-0f.zst", 0),
        ("0000000B.history", 11),
    ],
)
def test_a_history_is_told_from_a_segment(key: str, number: int) -> None:
    """By its name alone."""
    assert timelines.archived(key) == number
