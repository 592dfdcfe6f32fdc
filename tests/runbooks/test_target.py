"""What an operator asks a restore for, and which backup leads there."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from runbooks.adapters.pgbackrest import Backup
from runbooks.adapters.timelines import Timeline
from runbooks.core.errors import NotReady, SeparuhError
from runbooks.parts import target
from runbooks.parts.target import Target
from tests.runbooks.fake import finished

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
FIRST, SECOND = Timeline(number=1), Timeline(number=2, left=((1, "0/5000000"),))


def made(minutes: int, lsn: str, timeline: int = 1) -> Backup:
    """Return a backup that ended so many minutes after noon, at `lsn`."""
    backup = finished("full", NOON + timedelta(minutes=minutes))
    return replace(backup, lsn_stop=lsn, wal_stop=f"{timeline:08X}{'0' * 16}")


EARLY, MIDDLE, LATE = made(0, "0/3000000"), made(10, "0/4000100"), made(20, "0/6000000")
THREE = (LATE, EARLY, MIDDLE)


@pytest.mark.parametrize(
    ("given", "wanted", "options"),
    [
        ({}, Target(), ("--type=default",)),
        (
            {"at": "2026-11-24T12:10"},
            Target(kind="time", value="2026-11-24T12:10:00.000000+00:00"),
            ("--type=time", "--target=2026-11-24 12:10:00.000000+00"),
        ),
        (
            {"at": "2026-11-24T19:10:00.25+07:00"},
            Target(kind="time", value="2026-11-24T12:10:00.250000+00:00"),
            ("--type=time", "--target=2026-11-24 12:10:00.250000+00"),
        ),
        (
            {"lsn": "0/4000abc"},
            Target(kind="lsn", value="0/4000ABC"),
            ("--type=lsn", "--target=0/4000ABC", "--target-exclusive"),
        ),
        ({"xid": "0742"}, Target(kind="xid", value="742"), ("--type=xid", "--target=742", "--target-exclusive")),
    ],
)
def test_what_an_operator_asks_for(given: dict[str, str], wanted: Target, options: tuple[str, ...]) -> None:
    """A time without an offset is UTC and includes its own moment; a record that is named is left out."""
    assert target.chosen(**given) == wanted
    assert wanted.options == options
    assert str(wanted)


@pytest.mark.parametrize(
    "given",
    [{"at": "noon"}, {"lsn": "4000ABC"}, {"lsn": "0/XYZ"}, {"xid": "-1"}, {"xid": "7", "lsn": "0/1"}],
)
def test_what_cannot_be_meant(given: dict[str, str]) -> None:
    """It is said before anything is looked at."""
    with pytest.raises(SeparuhError):
        target.chosen(**given)


@pytest.mark.parametrize(
    ("wanted", "backup"),
    [
        (Target(), LATE),
        (target.chosen(at="2026-11-24T12:20:01Z"), LATE),
        (target.chosen(at="2026-11-24T12:20:00.9Z"), MIDDLE),
        (target.chosen(at="2026-11-24T12:00:01Z"), EARLY),
        (target.chosen(lsn="0/6000000"), LATE),
        (target.chosen(lsn="0/5FFFFFF"), MIDDLE),
    ],
)
def test_the_newest_that_is_whole_before_the_target(wanted: Target, backup: Backup) -> None:
    """A backup's end is known to a second, so one that ended in the target's own second is too late."""
    assert target.pick(THREE, wanted, FIRST) == backup


def test_a_backup_on_a_timeline_that_was_left_leads_nowhere() -> None:
    """Its log goes on to what was put aside, not to the timeline that is wanted."""
    assert target.pick(THREE, Target(), SECOND) == MIDDLE
    assert target.pick((*THREE, made(30, "0/5100000", 2)), Target(), SECOND).timeline == 2
    with pytest.raises(NotReady, match="left behind"):
        target.pick(THREE, Target(), SECOND, LATE.label)


def test_one_that_is_named() -> None:
    """It is taken where it leads to the target, and refused by name where not."""
    assert target.pick(THREE, Target(), FIRST, EARLY.label) == EARLY
    with pytest.raises(NotReady, match="ended later"):
        target.pick(THREE, target.chosen(lsn="0/5000000"), FIRST, LATE.label)
    with pytest.raises(NotReady, match="no backup 2020"):
        target.pick(THREE, Target(), FIRST, "2020")


def test_before_the_oldest() -> None:
    """What is refused says from when on there is something."""
    with pytest.raises(NotReady, match=f"oldest, {EARLY.label}, ended at 2026-11-24 12:00:00 UTC"):
        target.pick(THREE, target.chosen(at="2026-11-24T11:59"), FIRST)
    with pytest.raises(NotReady, match="no backup at all"):
        target.pick((), Target(), FIRST)
