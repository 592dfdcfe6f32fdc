"""What a restore drill makes of what it finds: each finding recorded, the rest still looked at, evidence either way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.secrets import Secrets
from runbooks import backup
from runbooks.backup import RUNBOOK as BACKUP
from runbooks.core.errors import NotReady, Undone
from runbooks.core.evidence import CHECKS, Evidence
from runbooks.core.run import Run, Runbook, Step
from runbooks.parts import evidence_files, kept_evidence, source, standstill, throwaway
from runbooks.restore_drill import RUNBOOK, STEPS
from tests.runbooks import fake_copy
from tests.runbooks.fake import FakeStore, World
from tests.runbooks.fake_copy import SAID
from tests.runbooks.test_every_runbook import carry_through, world_of

pytestmark = pytest.mark.thorough

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
        held = store.s3.list_objects_v2(Bucket=store.bucket, Prefix=kept_evidence.PREFIX)["Contents"]
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


def test_a_store_that_dies_half_way_leaves_the_evidence_to_the_other(tmp_path: Path) -> None:
    """The restore from it fails, and that is what the evidence tells, locked where it can be."""
    world = world_of(RUNBOOK, tmp_path)
    world.fails = "restore"
    with pytest.raises(Undone, match=f"{REFUSED}(.|\n)*./inv status"):
        carry_through(world, dying("two"), tmp_path)
    assert outcomes(signed(tmp_path))["target"] == "failed"
    assert not world.drills
    kept = {name: "Contents" in found(store) for name, store in world.stores.items()}
    assert kept == {"one": True, "two": False}


def test_the_other_store_that_dies_does_not_make_the_backup_a_bad_one(tmp_path: Path) -> None:
    """What is not known of it is said, and the run is degraded."""
    run = carry_through(world_of(RUNBOOK, tmp_path), dying("one"), tmp_path)
    assert signed(tmp_path).proved
    assert [reason.split(": ")[1] for reason in run.reasons] == [
        "whether the drill wrote there was not seen",
        "no evidence there",
    ]


def test_without_any_store_there_is_no_evidence_and_no_copy(tmp_path: Path) -> None:
    """There is no fingerprint to be read either: nothing is claimed."""
    world = world_of(RUNBOOK, tmp_path)
    with pytest.raises(Undone, match=r"in neither bucket any more, or its store does not answer"):
        carry_through(world, dying("one", "two"), tmp_path)
    assert not world.drills


def dying(*names: str) -> Runbook:
    """Return the drill with stores that die before it restores."""

    def die(run: Run) -> None:
        world: Any = run.estate
        for name in names:
            world.stores[name].answers = False

    place = next(number for number, step in enumerate(STEPS) if step.do is throwaway.restore)
    return replace(RUNBOOK, steps=(*STEPS[:place], Step("Die", die), *STEPS[place:]))


def found(store: FakeStore) -> Any:
    """Return what the store has of evidence."""
    return store.s3.list_objects_v2(Bucket=store.bucket, Prefix=kept_evidence.PREFIX)


def test_a_backup_without_a_fingerprint_is_refused(tmp_path: Path) -> None:
    """There is nothing that a copy could be compared with; nothing is changed."""
    world = world_of(RUNBOOK, tmp_path)
    for store in world.stores.values():
        store.s3.delete_object(Bucket=store.bucket, Key=source.key("20260102-000000F"))
    with pytest.raises(NotReady, match="backup 20260102-000000F has no fingerprint"):
        carry_through(world, RUNBOOK, tmp_path)
    assert not world.done


def test_the_refusal_names_the_newest_that_can_be_drilled(tmp_path: Path) -> None:
    """After a backup without a fingerprint, the one before it; with the command."""
    world = world_of(RUNBOOK, tmp_path)
    without = tuple(each for each in backup.STEPS if each is not backup.FINGERPRINT)
    carry_through(world, replace(BACKUP, steps=without), tmp_path)
    named = "newest there that has one is 20260102-000000F: ./inv restore-drill --from two --backup 20260102-000000F"
    with pytest.raises(NotReady, match=f"backup 20260104-000000F has no fingerprint.*{named}"):
        carry_through(world, RUNBOOK, tmp_path)


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


def of_the_first(world: World) -> source.Source:
    """Return the fingerprint of the only backup in the first site's bucket."""
    estate: Any = world
    found = source.fetch(estate, world.settings.sites[0], "20260101-000000F")
    assert found
    return found


@pytest.mark.parametrize("words", ["", "pg_stat_wal_receiver"])
def test_without_a_standby_the_leader_is_held(words: str, tmp_path: Path, sealed_for: Secrets) -> None:
    """Also where Patroni still names one that streams no more; the point says how it was found."""
    world = World()
    world.alone = not words
    world.answers = {words: [("f",)]} if words else {}
    run = carry_through(world, BACKUP, tmp_path)
    assert run.figures["fingerprint"]["scheme"] == "barrier"
    assert run.figures["fingerprint"]["held_seconds"] == 0.0123
    assert of_the_first(world).point.scheme == "barrier"
    assert world.undone == ["unit-one-db-1 /tmp/held-r1"] * 2


def test_a_leader_that_cannot_be_held_leaves_no_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its writers were let go each time; the backup stands, degraded, and says who kept the locks."""
    monkeypatch.setitem(SAID, "python3", '{"refused": "a timeout", "oldest": "process 7 of report"}')
    monkeypatch.setattr(standstill, "SETTLING", 0.0)
    world = World()
    world.alone = True
    run = carry_through(world, BACKUP, tmp_path)
    assert "a timeout; the oldest writing transaction is process 7 of report" in run.reasons[-1]
    store = world.stores["one"]
    assert "Contents" not in store.s3.list_objects_v2(Bucket=store.bucket, Prefix=source.PREFIX)
