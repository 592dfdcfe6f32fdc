"""What is read out of the archived log: the questions, and answers that PostgreSQL's own tools gave."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from runbooks.adapters import wal
from runbooks.adapters.archive import Archive
from runbooks.adapters.wal import Change, Commit, End

ARCHIVE = Archive(stanza="credit", repository=2, path="/data/17/1", scratch="/data")
SEGMENTS = ("00000001000000000000001F", "000000010000000000000020")


def test_commits_are_asked_for_in_utc() -> None:
    """The log's tool prints times where it is told to; bounds in another zone are the same moments."""
    start = datetime(2026, 11, 24, 20, 10, tzinfo=timezone(timedelta(hours=7)))
    command = wal.commits(ARCHIVE, SEGMENTS, start, start + timedelta(minutes=1))
    assert command.argv[:4] == ("env", "TZ=UTC", "sh", "-c")
    assert command.argv[5:9] == ("sh", "/data", "/data/17/1", "credit")
    assert "--repo=2" in command.argv[9]
    assert command.argv[10:] == ("2026-11-24 13:10:00.000000", "2026-11-24 13:11:00.000000", *SEGMENTS)


def test_a_commit_with_what_it_changed() -> None:
    """One that changed nothing with rows is one too."""
    said = (
        "00000001,2026-11-24 13:36:11.432530,725,0/1529450,UPDATE:1663/5/16384:10 DELETE:1663/5/16384:1\n"
        "0000000A,2026-11-24 13:36:12.000001,726,0/152A118,\n"
    )
    first, second = wal.commits(ARCHIVE, SEGMENTS, datetime.now(UTC), datetime.now(UTC)).parse(said)
    assert first == Commit(
        timeline=1,
        at=datetime(2026, 11, 24, 13, 36, 11, 432530, UTC),
        xid=725,
        lsn="0/1529450",
        changes=(
            Change(kind="UPDATE", relation="1663/5/16384", rows=10),
            Change(kind="DELETE", relation="1663/5/16384", rows=1),
        ),
    )
    assert (second.timeline, second.xid, second.changes) == (10, 726, ())


def test_the_last_record() -> None:
    """None where no segment has a whole one."""
    command = wal.newest(ARCHIVE, SEGMENTS[::-1], "/data/17/1.before-r1/pg_wal")
    assert command.argv[-3:] == ("/data/17/1.before-r1/pg_wal", *SEGMENTS[::-1])
    assert command.parse(f"0/2000098 {SEGMENTS[1]}\n") == End(lsn="0/2000098", segment=SEGMENTS[1])
    assert command.parse("") is None


def test_the_commit_of_one_transaction() -> None:
    """As pg_waldump prints it, and None where no segment has it."""
    command = wal.commit_of(ARCHIVE, 727, SEGMENTS[::-1])
    said = (
        "rmgr: Transaction len (rec/tot):     34/    34, tx:        727, lsn: 0/01529F30, prev 0/01529EE0, "
        "desc: COMMIT 2026-11-24 13:36:11.462165 UTC\n"
    )
    at = datetime(2026, 11, 24, 13, 36, 11, 462165, UTC)
    assert command.parse(said) == Commit(timeline=0, at=at, xid=727, lsn="0/01529F30")
    assert command.parse("") is None


def test_the_newest_commit() -> None:
    """None where no segment that was looked at has one."""
    command = wal.newest_commit(ARCHIVE, SEGMENTS[::-1])
    at = datetime(2026, 11, 22, 21, 20, 20, 290543, UTC)
    assert command.parse("COMMIT 2026-11-22 21:20:20.290543 UTC\n") == at
    assert command.parse("") is None


def test_an_archive_is_read_without_the_data_beside_it() -> None:
    """pgBackRest wants a control file: the data's, a kept one, or that of a backup, without the customers' database."""
    script = wal.newest_commit(ARCHIVE, SEGMENTS).argv[4]
    assert '"$data" "$data".before-* "$folder/control"' in script
    assert '--type=none --db-exclude="$database" restore' in script
