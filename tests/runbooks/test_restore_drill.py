"""What a restore drill makes of what it finds: each finding recorded, the rest still looked at, evidence either way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from infra.secrets import Secrets
from runbooks.backup import RUNBOOK as BACKUP
from runbooks.core.errors import NotReady, Undone
from runbooks.core.evidence import CHECKS, Evidence
from runbooks.parts import drill_evidence, evidence_files, source
from runbooks.restore_drill import RUNBOOK
from tests.runbooks import fake_copy
from tests.runbooks.fake import World
from tests.runbooks.fake_copy import SAID
from tests.runbooks.test_every_runbook import carry_through, world_of

REFUSED = "backup 20260102-000000F of two is NOT proved"


def drilled(world: World, folder: Path) -> Evidence:
    """Carry a drill out that is to end as not proved; return its evidence, whose signature holds."""
    with pytest.raises(Undone, match=REFUSED):
        carry_through(world, RUNBOOK, folder)
    assert not world.drills
    return signed(folder)


def signed(folder: Path) -> Evidence:
    """Return the run's evidence as it is kept here."""
    file = folder / ".separuh" / "unit" / "evidence" / "r1" / "r1.json"
    return Evidence.parse(evidence_files.check(file).content)


def outcomes(evidence: Evidence) -> dict[str, str]:
    """Return how each check ended."""
    return {check.name: check.outcome for check in evidence.every_check}


def test_a_copy_that_is_equal_is_proved(tmp_path: Path) -> None:
    """Every check has passed, both objectives are measured, and both stores have all files, locked."""
    world = world_of(RUNBOOK, tmp_path)
    run = carry_through(world, RUNBOOK, tmp_path)
    evidence = signed(tmp_path)
    assert evidence.proved
    assert run.figures["proved"]
    assert evidence.rto.met
    assert evidence.rpo.seconds == 2.5
    for store in world.stores.values():
        held = store.s3.list_objects_v2(Bucket=store.bucket, Prefix=drill_evidence.PREFIX)["Contents"]
        assert {Path(each["Key"]).suffix for each in held} == {".json", ".html", ".sig", ".pub"}
        for each in held:
            assert store.s3.head_object(Bucket=store.bucket, Key=each["Key"])["ObjectLockMode"] == "COMPLIANCE"


def test_what_differs_is_recorded_and_the_rest_is_still_looked_at(tmp_path: Path) -> None:
    """A role that only the copy has: its check fails, all others pass, and the run does not end well."""
    world = world_of(RUNBOOK, tmp_path, answers={"pg_authid": [("roles", "mallory", "superuser")]})
    evidence = drilled(world, tmp_path)
    assert outcomes(evidence) == {**dict.fromkeys(CHECKS, "passed"), "roles": "failed"}
    (found,) = [check.found for check in evidence.checks if check.name == "roles"]
    assert found == "roles mallory: only in the copy"


@pytest.mark.parametrize(
    ("check", "answers"),
    [
        ("books", {"books()": [("loans whose outstanding principal differs from the ledger", "1")]}),
        ("isolation", {"archive_mode": [("on", "0")]}),
        ("isolation", {"archive_mode": [("off", "1")]}),
        ("payment", {"picked": []}),
    ],
)
def test_a_check_that_fails_stops_no_other(check: str, answers: dict[str, Any], tmp_path: Path) -> None:
    evidence = drilled(world_of(RUNBOOK, tmp_path, answers=answers), tmp_path)
    assert outcomes(evidence) == {**dict.fromkeys(CHECKS, "passed"), check: "failed"}


@pytest.mark.parametrize(
    ("stopped", "outcome"),
    [("0/2000028", "passed"), ("0/2000050", "passed"), ("0/2000058", "failed"), ("0/2000020", "failed")],
)
def test_recovery_stops_at_the_point_or_behind_its_pages_header(
    stopped: str, outcome: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where replay ended with a page, the next record begins behind the header of the next."""
    monkeypatch.setitem(SAID, "grep", f'recovery stopping before WAL location (LSN) "{stopped}"')
    world = world_of(RUNBOOK, tmp_path, answers={"books()": [("a reason to end alike", "1")]})
    assert outcomes(drilled(world, tmp_path))["target"] == outcome


def test_a_backup_that_cannot_be_restored_leaves_evidence_too(tmp_path: Path) -> None:
    """pgBackRest fails, so nothing else can be looked at, and nothing is called proved."""
    world = world_of(RUNBOOK, tmp_path)
    world.fails = "restore"
    evidence = drilled(world, tmp_path)
    assert outcomes(evidence) == {**dict.fromkeys(CHECKS, "not run"), "target": "failed"}
    assert evidence.rto.seconds is None
    assert evidence.rpo.seconds is None


def test_a_backup_without_a_fingerprint_is_refused(tmp_path: Path) -> None:
    """There is nothing that a copy could be compared with; nothing is changed."""
    world = world_of(RUNBOOK, tmp_path)
    for store in world.stores.values():
        store.s3.delete_object(Bucket=store.bucket, Key=source.key("20260102-000000F"))
    with pytest.raises(NotReady, match="backup 20260102-000000F has no fingerprint"):
        carry_through(world, RUNBOOK, tmp_path)
    assert not world.done


def test_a_full_disk_is_refused(tmp_path: Path) -> None:
    """The copy may not take the room of the database beside which it lies."""
    world = world_of(RUNBOOK, tmp_path)
    world.free["backup"] = 5 << 20
    with pytest.raises(NotReady, match="unit-two-backup-1: 5 MiB free, and the copy needs"):
        carry_through(world, RUNBOOK, tmp_path)
    assert not world.done


def test_the_fingerprint_is_sealed(tmp_path: Path, sealed_for: Secrets) -> None:
    """What a bucket holds of it can be read by the stack's identity alone."""
    world = world_of(RUNBOOK, tmp_path)
    store = world.stores["one"]
    held = store.s3.get_object(Bucket=store.bucket, Key=source.key("20260102-000000F"))["Body"].read()
    assert held.startswith(b"age-encryption.org/v1")
    estate: Any = world
    found = source.fetch(estate, world.settings.sites[0], "20260102-000000F")
    assert found is not None
    assert (found.point.lsn, found.point.timeline) == ("0/2000028", 1)


def test_replay_that_goes_on_leaves_no_fingerprint_and_a_degraded_backup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fingerprint of a moving standby is of no point: it is not kept, and the run says why."""
    world = World()
    monkeypatch.setattr(fake_copy, "HELD", fake_copy.HELD.replace(",t,", ",f,"))
    run = carry_through(world, BACKUP, tmp_path)
    assert run.reasons[0].startswith("Take the fingerprint of the point behind it: unit-two-db-1: replay went on")
    store = world.stores["one"]
    assert "Contents" not in store.s3.list_objects_v2(Bucket=store.bucket, Prefix=source.PREFIX)
