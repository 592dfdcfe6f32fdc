"""The commands around a throwaway PostgreSQL, and what the tools in it answered when they were run."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from runbooks.adapters import restored
from runbooks.adapters.restored import End

TOOLS = ("pgbackrest", "--repo=2")
TARGET = ("--type=lsn", "--target=0/603DEB8", "--target-exclusive")
TIMED = """\
[31] LOG:  recovery stopping before commit of transaction 742, time 2026-11-24 13:10:05.123456+00
[31] LOG:  redo done at 0/5F00D30 system usage: CPU: user: 0.01 s, system: 0.00 s, elapsed: 0.02 s
[31] LOG:  last completed transaction was at log time 2026-11-24 20:10:05.12+07
"""


def test_a_restore_names_its_set_its_point_and_that_it_archives_nothing() -> None:
    command = restored.restore(TOOLS, "20261122-211831F", TARGET, 3, "/data/17/1", 60)
    assert command.argv == (
        *("sh", "-c", 'mkdir -p -m 0700 "$0" && exec "$@"', "/data/17/1"),
        *("pgbackrest", "--repo=2"),
        *("--set=20261122-211831F", "--type=lsn", "--target=0/603DEB8", "--target-exclusive", "--target-timeline=3"),
        *("--target-action=promote", "--archive-mode=off", "restore"),
    )


def test_where_recovery_stopped() -> None:
    """As the log of PostgreSQL 17 tells it, of an LSN and of a time."""
    said = (
        '2026-11-22 21:20:06.1 UTC [9] LOG:  recovery stopping before WAL location (LSN) "0/603DEB8"\n'
        "2026-11-22 21:20:06.1 UTC [9] LOG:  redo done at 0/603DE80 system usage: CPU: user: 0.00 s\n"
    )
    assert restored.ended().parse(said) == End(before_lsn="0/603DEB8", replayed="0/603DE80")
    assert restored.ended().parse(TIMED) == End(
        before_time="2026-11-24T13:10:05.123456+00:00",
        replayed="0/5F00D30",
        newest="2026-11-24T13:10:05.120000+00:00",
    )
    assert restored.ended().parse("") == End()


def test_pages_are_counted() -> None:
    said = "Checksum operation completed\nFiles scanned:   1260\nBlocks scanned:  3835\nBad checksums:  0\n"
    assert restored.checksums("/data/17/1", 60).parse(said) == 3835


@pytest.mark.parametrize(
    ("said", "at"),
    [
        ("COMMIT 2026-11-22 21:20:20.290543 UTC\n", datetime(2026, 11, 22, 21, 20, 20, 290543, UTC)),
        ("", None),
    ],
)
def test_the_newest_commit(said: str, at: datetime | None) -> None:
    """None where no segment that was looked at has one."""
    assert restored.newest_commit("credit", 1, ["000000010000000000000006"]).parse(said) == at


def test_versions() -> None:
    said = "postgres (PostgreSQL) 17.12 (Debian 17.12-0+deb13u1)\npgBackRest 2.55.1\npg_amcheck (PostgreSQL) 17.12\n"
    assert restored.versions().parse(said) == {"postgres": "17.12", "pgBackRest": "2.55.1", "pg_amcheck": "17.12"}
