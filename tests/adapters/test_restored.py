"""The commands around a throwaway PostgreSQL, and what the tools in it answered when they were run."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from runbooks.adapters import restored


def test_a_restore_names_its_set_its_point_and_that_it_archives_nothing() -> None:
    command = restored.restore("credit", 2, "20261122-211831F", ("0/603DEB8", 3), "/data/17/1", 60)
    assert command.argv == (
        *("sh", "-c", 'mkdir -p -m 0700 "$0" && exec "$@"', "/data/17/1"),
        *("pgbackrest", "--config=/config/pgbackrest.conf", "--stanza=credit", "--repo=2", "--log-level-stderr=warn"),
        *("--set=20261122-211831F", "--type=lsn", "--target=0/603DEB8", "--target-exclusive", "--target-timeline=3"),
        *("--target-action=promote", "--archive-mode=off", "restore"),
    )


def test_where_recovery_stopped() -> None:
    said = '2026-11-22 21:20:06.1 UTC [9] LOG:  recovery stopping before WAL location (LSN) "0/603DEB8"\n'
    assert restored.stopped_at().parse(said) == "0/603DEB8"
    assert restored.stopped_at().parse("") == ""


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
