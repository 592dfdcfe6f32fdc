"""pgBackRest's commands by equality, and its answers as 2.55.1 gave them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from runbooks.adapters import pgbackrest
from runbooks.adapters.pgbackrest import Audit, Backup
from runbooks.core.command import Command
from runbooks.core.errors import SeparuhError
from tests.adapters.recorded import recorded

COMMON = ("pgbackrest", "--config=/config/pgbackrest.conf", "--stanza=credit")
NICE = ("nice", "-n", "19")
SAY = "--log-level-stderr=warn"


def test_a_backup_is_nice_and_names_its_run() -> None:
    """The annotation is what a resumed run recognises its backup by."""
    command = pgbackrest.backup("credit", 2, "diff", "r1", processes=3, within=60)
    options = ("--repo=2", SAY, "--type=diff", "--process-max=3", "--annotation=run=r1", "--no-expire-auto", "backup")
    assert command.argv == (*NICE, *COMMON, *options)
    assert command.within == 60


@pytest.mark.parametrize(
    ("command", "argv"),
    [
        (pgbackrest.info("credit"), (*COMMON, SAY, "--output=json", "info")),
        (pgbackrest.info("credit", 1), (*COMMON, "--repo=1", SAY, "--output=json", "info")),
        (pgbackrest.expire("credit", 1), (*NICE, *COMMON, "--repo=1", SAY, "expire")),
        (pgbackrest.stanza_create("credit"), (*COMMON, SAY, "stanza-create")),
        (pgbackrest.check("credit"), (*COMMON, SAY, "check")),
        (
            pgbackrest.verify("credit", 2, 60),
            (*NICE, *COMMON, "--repo=2", SAY, "--output=text", "--verbose", "verify"),
        ),
    ],
)
def test_commands(command: Command[object], argv: tuple[str, ...]) -> None:
    """Each command is exactly this."""
    assert command.argv == argv


def test_info_lists_backups_by_repository_in_order() -> None:
    """Every field of a backup, from the recording."""
    found = pgbackrest.info("credit").parse(recorded("pgbackrest-2.55.1-info.json"))
    assert [b.label for b in found.of(1)] == ["20261122-164144F", "20261122-164308F", "20261122-164313F"]
    assert [b.kind for b in found.of(2)] == ["full", "full", "full", "diff", "incr"]
    assert found.faults == {}
    assert not found.running
    assert found.of(2)[-1] == Backup(
        repository=2,
        label="20261122-164317F_20261122-164521I",
        kind="incr",
        started_at=datetime(2026, 11, 22, 16, 45, 21, tzinfo=UTC),
        ended_at=datetime(2026, 11, 22, 16, 45, 23, tzinfo=UTC),
        database_bytes=345021495,
        repository_bytes=400,
        wal_start="00000001000000000000002C",
        wal_stop="00000001000000000000002D",
        damaged=False,
        run="k5",
        lsn_start="0/2C000028",
        lsn_stop="0/2D000050",
    )
    assert found.of(2)[-1].seconds == 2


def test_a_repository_without_its_bucket_is_a_fault() -> None:
    """The message is the store's own."""
    found = pgbackrest.info("credit", 1).parse(recorded("pgbackrest-2.55.1-info-no-bucket.json"))
    assert found.backups == ()
    assert "404 (Not Found)" in found.faults[1]


def test_verify_of_a_sound_repository() -> None:
    """A backup that was broken off is in progress for pgBackRest, and no fault."""
    audit = pgbackrest.verify("credit", 2, 60).parse(recorded("pgbackrest-2.55.1-verify.txt"))
    assert audit.sound
    assert (audit.wal_checked, audit.wal_valid) == (44, 44)
    assert audit.backups["20261122-164517F"] == "in-progress"
    assert audit.backups["20261122-164317F"] == "valid"


def test_verify_names_the_backup_that_lost_files() -> None:
    """One bundle was deleted from the bucket; pgBackRest still exited 0."""
    audit = pgbackrest.verify("credit", 2, 60).parse(recorded("pgbackrest-2.55.1-verify-missing.txt"))
    assert audit.faults == ("backup 20261122-164307F is invalid", "backup 20261122-164307F: 13 files missing")


def test_verify_that_says_nothing_is_no_proof() -> None:
    """Without its text output verify prints nothing, whatever it found."""
    with pytest.raises(SeparuhError, match="nothing to go by"):
        pgbackrest.verify("credit", 1, 60).parse("")


def test_audit_is_sound_without_faults_only() -> None:
    """The property follows from the faults."""
    assert not Audit(wal_checked=1, wal_valid=0, backups={}, faults=("x",)).sound


@pytest.mark.parametrize(
    ("key", "name"),
    [
        (
            "pgbackrest/archive/credit/17-1/0000000100000000/"
            "000000010000000000000007-17248600442900ce7adb4de472efc2d84b4703bc.zst",
            "000000010000000000000007",
        ),
        ("pgbackrest/archive/credit/17-1/00000002.history", ""),
        ("pgbackrest/archive/credit/archive.info", ""),
    ],
)
def test_segment_of_a_key(key: str, name: str) -> None:
    """Histories and info files are no segments."""
    assert pgbackrest.segment(key) == name


def test_a_repository_is_read_as_it_was() -> None:
    """To the second, which is how pgBackRest compares; one repository must be named then."""
    argv = pgbackrest.info("credit", 2, "2026-11-24T13:10:05+00:00").argv
    assert argv[3:5] == ("--repo=2", "--repo-target-time=2026-11-24 13:10:05+00")
    assert "--repo-target-time" not in " ".join(pgbackrest.info("credit", 2).argv)


FULL, INCREMENTAL = "20261124-131005F", "20261124-131005F_20261124-140000I"
BEFORE, BEHIND = datetime(2026, 11, 24, 13, 59, 59, tzinfo=UTC), datetime(2026, 11, 24, 14, tzinfo=UTC)


@pytest.mark.parametrize(
    ("key", "put", "needed"),
    [
        ("backup/credit/backup.info", BEFORE, True),
        ("archive/credit/archive.info.copy", BEFORE, True),
        (f"backup/credit/{FULL}/bundle/1", BEFORE, True),
        (f"backup/credit/{INCREMENTAL}/bundle/1", BEHIND, True),
        ("archive/credit/17-1/0000000100000000/00000001000000000000000A-0f.zst", BEHIND, True),
        ("archive/credit/17-1/0000000100000000/000000010000000000000009-0f.zst", BEFORE, False),
        ("backup/credit/20261123-000000F/bundle/1", BEFORE, False),
        ("backup/credit/backup.history/2026/x.manifest.zst", BEHIND, False),
    ],
)
def test_what_a_backup_needs(key: str, put: datetime, needed: bool) -> None:
    """What an expiry removes is not of it."""
    assert pgbackrest.needs(INCREMENTAL, f"pgbackrest/{key}", put) is needed


def test_a_finished_backup_is_known_by_its_manifest() -> None:
    """One that was broken off has a copy of it alone."""
    assert pgbackrest.label_of(f"pgbackrest/backup/credit/{INCREMENTAL}/backup.manifest") == INCREMENTAL
    assert pgbackrest.label_of(f"pgbackrest/backup/credit/{FULL}/backup.manifest.copy") == ""
    assert pgbackrest.begun(INCREMENTAL) == BEHIND
