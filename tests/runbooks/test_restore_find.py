"""Which segments are read for a moment, and what is told of the commits in them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra.settings import Site
from runbooks import restore_find
from runbooks.adapters.timelines import Timeline
from runbooks.adapters.wal import Change, Commit
from runbooks.core.errors import NotReady
from tests.core.fake import SETTINGS

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
SITE: Site = SETTINGS.sites[0]


def segment(number: int) -> str:
    """Return the name of a segment of timeline 1."""
    return f"00000001{number >> 8:08X}{number & 255:08X}"


def window(monkeypatch: pytest.MonkeyPatch, stored: dict[int, int], start: int, end: int) -> list[int]:
    """Return the numbers of the segments that are read; minutes are counted from noon."""
    keys = {f"p/{segment(n)[:16]}/{segment(n)}-{'0' * 40}.zst": NOON + timedelta(minutes=m) for n, m in stored.items()}
    monkeypatch.setattr(restore_find, "dated", lambda *_: keys)
    estate: Any = None
    names = [segment(number) for number in sorted(stored)]
    bounds = (NOON + timedelta(minutes=start), NOON + timedelta(minutes=end))
    return [int(name[16:], 16) for name in restore_find._window(estate, SITE, names, *bounds)]


STORED = {n: 10 * n for n in range(1, 11)}  # one each ten minutes


def test_one_segment_further_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was committed at 12:32 is in the segment stored at 12:40, whose last record may reach into the next."""
    assert window(monkeypatch, STORED, 32, 33) == [4, 5]
    assert window(monkeypatch, STORED, 25, 35) == [3, 4, 5]


def test_the_ends_of_the_archive(monkeypatch: pytest.MonkeyPatch) -> None:
    assert window(monkeypatch, STORED, -60, 5) == [1, 2]
    assert window(monkeypatch, STORED, 95, 200) == [10]
    assert window(monkeypatch, STORED, 150, 200) == []


def test_one_that_was_stored_late_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that was away takes all at once: each of them may hold the moment. Put back later, one does no harm."""
    assert window(monkeypatch, {1: 10, 2: 90, 3: 90, 4: 91, 5: 100}, 32, 33) == [2, 3]
    assert window(monkeypatch, {1: 10, 2: 900, 3: 30, 4: 40, 5: 50}, 32, 33) == [4, 5]


def test_too_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    many = dict.fromkeys(range(1, 100), 30)
    with pytest.raises(NotReady, match="fewer --minutes"):
        window(monkeypatch, many, 0, 60)


def test_what_was_left_behind_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that two timelines have is told once, and none that only the older one has."""
    line = Timeline(number=2, left=((1, "0/5000000"),))
    commits = [
        Commit(timeline=2, at=NOON, xid=9, lsn="0/5000100"),
        Commit(timeline=1, at=NOON, xid=8, lsn="0/5000100"),
        Commit(timeline=1, at=NOON, xid=7, lsn="0/4FFFF00"),
        Commit(timeline=2, at=NOON, xid=7, lsn="0/4FFFF00"),
    ]
    assert [commit.xid for commit in restore_find._of_line(line, commits)] == [7, 9]


def test_tables_by_name_and_catalogs_left_out() -> None:
    """A file that no table has now keeps its number: the table may have been dropped, or emptied."""
    names = {"1663/5/16384": "public.payment", "1663/5/1259": "pg_catalog.pg_class"}
    changes = (
        Change(kind="UPDATE", relation="1663/5/16384", rows=10),
        Change(kind="UPDATE", relation="1663/5/1259", rows=1),
        Change(kind="DROP", relation="1663/5/99", rows=1),
    )
    told = restore_find._named(Commit(timeline=1, at=NOON, xid=7, lsn="0/1", changes=changes), names)
    assert [(each.kind, each.relation) for each in told.changes] == [
        ("UPDATE", "public.payment"),
        ("DROP", "file 1663/5/99"),
    ]
    assert all(restore_find._changes(told, table) for table in ("", "payment", "public.payment"))
    assert not restore_find._changes(told, "loan")
