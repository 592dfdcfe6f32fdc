"""Questions to PostgreSQL, and the arithmetic of its segments' names."""

from __future__ import annotations

from runbooks.adapters import postgres


def test_archiver_row() -> None:
    """One row, as psql prints it (recorded with ten segments waiting)."""
    row = ("10", "540.899757", "184549376", "", "000000010000000000000001", "42", "t")
    found = postgres.archiver().parse([row])
    assert (found.waiting, found.lag_seconds, found.wal_bytes) == (10, 540.899757, 184549376)
    assert (found.last_archived, found.last_failed, found.failed_count) == ("", "000000010000000000000001", 42)
    assert found.leads
    assert not postgres.archiver().parse([(*row[:-1], "f")]).leads


def test_recovery_row() -> None:
    """A leader has no lag; a standby's is a number."""
    assert postgres.recovery().parse([("f", None)]) == postgres.Recovery(in_recovery=False, replay_lag_seconds=0)
    assert postgres.recovery().parse([("t", "1.5")]) == postgres.Recovery(in_recovery=True, replay_lag_seconds=1.5)


def test_commands_are_exactly_these() -> None:
    """They change something, so they are commands and not queries."""
    assert postgres.checkpoint().argv == ("psql", "-XAtq", "--dbname", "postgres", "--command", "CHECKPOINT")
    assert postgres.switch_wal().argv[-1] == "SELECT pg_switch_wal()"


def test_gap_in_a_timeline_is_named() -> None:
    """Over the end of a file of 256 segments too."""
    held = ["0000000100000000000000FE", "000000010000000100000001"]
    assert postgres.missing(held) == ["0000000100000000000000FF", "000000010000000100000000"]


def test_no_gap() -> None:
    """An archive may begin anywhere, and hold the segment of the switch in both timelines."""
    assert postgres.missing([]) == []
    held = ["000000010000000000000005", "000000010000000000000006", "000000020000000000000006"]
    assert postgres.missing([*held, "000000020000000000000007"]) == []


def test_gap_between_timelines() -> None:
    """A timeline begins at the latest right behind the one before."""
    held = ["000000010000000000000005", "000000020000000000000008"]
    assert postgres.missing(held) == ["000000020000000000000006", "000000020000000000000007"]


def test_between() -> None:
    """Both ends included."""
    assert postgres.between("0000000100000000000000FF", "000000010000000100000000") == [
        "0000000100000000000000FF",
        "000000010000000100000000",
    ]


def test_the_segment_of_a_point() -> None:
    """Sixteen MiB each, 256 to the high half of an LSN."""
    assert postgres.segment("0/603DEB8", 1) == "000000010000000000000006"
    assert postgres.segment("2/FF000028", 10) == "0000000A00000002000000FF"


def test_the_bytes_between_two_points() -> None:
    assert postgres.distance("0/8000000", "0/8000028") == 40
    assert postgres.distance("1/0", "0/FFFFFFF8") == -8
