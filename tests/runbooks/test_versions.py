"""A bucket in which something was deleted: what it held before, and what an operator is told."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from runbooks.adapters.s3 import Event
from runbooks.core.errors import NotReady, Undone
from runbooks.parts import source, versions
from runbooks.restore_drill import RUNBOOK
from tests.runbooks import fake, test_every_runbook
from tests.runbooks.fake import FakeStore
from tests.runbooks.test_every_runbook import carry_through, world_of
from tests.runbooks.test_restore_drill import signed

pytestmark = pytest.mark.thorough

LABEL = "20260102-000000F"
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
A_MINUTE = timedelta(minutes=1)
HINT = r"./inv restore-drill --as-of \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ --from two"


def emptied(store: FakeStore, prefix: str = "") -> None:
    """Delete every object of a bucket, as its own key can: markers over locked versions."""
    for each in store.s3.list_objects_v2(Bucket=store.bucket, Prefix=prefix).get("Contents", ()):
        store.s3.delete_object(Bucket=store.bucket, Key=each["Key"])


def test_what_was_there_at_a_moment() -> None:
    """The newest version until then, unless a marker came after it; times are cut to seconds, as pgBackRest does."""
    almost = timedelta(milliseconds=900)
    events = [
        Event(key="a", version="1", at=NOON, deleted=False),
        Event(key="a", version="2", at=NOON + A_MINUTE + almost, deleted=False),
        Event(key="b", version="1", at=NOON, deleted=False),
        Event(key="b", version="", at=NOON + A_MINUTE, deleted=True),
    ]
    assert versions.held(events, NOON) == {"a": "1", "b": "1"}
    assert versions.held(events, NOON + A_MINUTE) == {"a": "2"}
    assert versions.held(events, NOON - A_MINUTE) == {}


def test_an_emptied_repository_is_refused_with_the_way_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is changed, and the command that restores all the same is named."""
    world = world_of(RUNBOOK, tmp_path)
    store = world.stores["two"]
    store.s3.put_object(Bucket=store.bucket, Key="pgbackrest/backup/credit/backup.info", Body=b"x")
    emptied(store)
    monkeypatch.setattr(fake, "_stanza", lambda world: {**STANZA(world), "backup": []})
    with pytest.raises(NotReady, match=f"two: its repository has no backup\n.*{HINT} restores"):
        carry_through(world, RUNBOOK, tmp_path)
    assert not world.done


STANZA = fake._stanza


@pytest.mark.parametrize(
    ("others", "wanted"),
    [
        ([], NOON),
        ([-59, -118], NOON - timedelta(seconds=118)),
        ([-61], NOON),
        ([30], NOON),
    ],
)
def test_the_moment_before_the_deleting_began(others: list[int], wanted: datetime) -> None:
    """In which the lists went; a deletion more than a minute apart from all of it is another matter."""
    events = [Event(key="backup/credit/backup.info", version="", at=NOON, deleted=True)]
    events += [
        Event(key=f"archive/{n}", version="", at=NOON + timedelta(seconds=n), deleted=True) for n in sorted(others)
    ]
    assert versions._with_lists(events) == wanted
    assert versions._with_lists(events[1:]) is None


def test_what_is_deleted_under_a_restore_is_told(tmp_path: Path) -> None:
    """In the finding, so that who reads the evidence knows the way back."""
    world = world_of(RUNBOOK, tmp_path)
    world.fails = "restore"
    emptied(world.stores["two"], "pgbackrest/archive/")
    with pytest.raises(Undone, match=f"{HINT} --backup {LABEL}"):
        carry_through(world, RUNBOOK, tmp_path)


def test_a_restore_that_fails_with_nothing_deleted_says_no_more(tmp_path: Path) -> None:
    """A hint that is always given is none."""
    world = world_of(RUNBOOK, tmp_path)
    world.fails = "restore"
    with pytest.raises(Undone) as failed:
        carry_through(world, RUNBOOK, tmp_path)
    assert "--as-of" not in str(failed.value)


def test_as_of_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Backup, log and fingerprint are those that the bucket held; the evidence says so."""
    world = world_of(RUNBOOK, tmp_path)
    then = datetime.now(UTC).replace(microsecond=0)
    while datetime.now(UTC) < then + timedelta(seconds=1):  # what is deleted in the same second is deleted as of then
        time.sleep(0.01)
    for store in world.stores.values():
        emptied(store, source.PREFIX)
    monkeypatch.setitem(test_every_runbook.ARGUMENTS, "restore-drill", {"as_of": then.isoformat()})
    run = carry_through(world, RUNBOOK, tmp_path)
    evidence = signed(tmp_path)
    assert evidence.proved
    assert evidence.backup.as_of == then.isoformat()
    assert run.reasons == []
    (restore,) = [line for line in world.done if line.endswith(" restore")]
    assert f"--repo-target-time={then:%Y-%m-%d %H:%M:%S}+00" in restore
