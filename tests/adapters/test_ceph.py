"""Ceph's room: what it answered when it was full, and what follows from how much it and its disk have left."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from runbooks.adapters import ceph
from runbooks.adapters.ceph import Room
from tests.adapters.recorded import recorded

SIZE = 2048 << 20
SIZES = st.integers(0, SIZE)


def test_it_is_asked_by_a_program_of_our_own() -> None:
    """Over stdin, so that members of any image can answer."""
    assert ceph.room().argv == ("python3", "-")
    compile(ceph.room().stdin or "", "room", "exec")


def test_a_full_store_takes_nothing_whatever_is_left() -> None:
    seen = ceph.room().parse(recorded("ceph-18.2.7-room.json"))
    assert (seen.size, seen.used, seen.blocked) == (SIZE, 1911185408, True)
    assert seen.near == seen.full == 2147483
    assert seen.free == 0


@given(used=SIZES, wanted=SIZES, disk=SIZES)
def test_what_is_left_is_never_more_than_ceph_or_the_disk_has(used: int, wanted: int, disk: int) -> None:
    """The disk counts only while the file still has to take from it."""
    room = Room(size=SIZE, used=used, near=SIZE * 8 // 10, full=SIZE, blocked=False, disk=disk, wanted=wanted)
    assert 0 <= room.free <= SIZE - used
    if disk >= wanted:
        assert room.free == SIZE - used
    else:
        assert room.free <= disk
    assert replace(room, blocked=True).free == 0
