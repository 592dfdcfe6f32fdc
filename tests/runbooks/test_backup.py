"""What `backup` decides: kinds, degraded runs, refusals, and a lock that gives way."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from infra.sections import Backup as Policy
from runbooks.adapters.pgbackrest import Backup, Kind
from runbooks.backup import FINGERPRINT, NONE, RUNBOOK, STEPS, complete
from runbooks.core.errors import NotReady, NotVerified, Undone
from runbooks.parts.repositories import due, made_by
from tests.core.fake import SETTINGS
from tests.runbooks.fake import GIB, World, finished
from tests.runbooks.test_every_runbook import carry_through, run_in

NOW = datetime(2026, 6, 30, tzinfo=UTC)


def made(kind: Kind, days_ago: float) -> Backup:
    """Return a backup that ended so long ago."""
    return finished(kind, NOW - timedelta(days=days_ago))


@pytest.mark.parametrize(
    ("held", "kind"),
    [
        ([], "full"),
        ([made("incr", 0.1)], "full"),
        ([made("full", 7)], "full"),
        ([made("full", 6.9)], "diff"),
        ([made("full", 6.9), made("diff", 1)], "diff"),
        ([made("full", 6.9), made("diff", 0.9)], "incr"),
        ([made("full", 0.5), made("incr", 0.1)], "incr"),
    ],
)
def test_the_kind_that_is_due(held: list[Backup], kind: Kind) -> None:
    """A full a week, a differential a day, else an incremental; an incremental alone is no chain."""
    assert due(held, Policy(full_every_days=7, differential_every_days=1), NOW) == kind


def test_both_stores_down_is_not_ready(tmp_path: Path) -> None:
    """There is nowhere to back up to; nothing was changed."""
    world = World()
    for store in world.stores.values():
        store.answers = False
    with pytest.raises(NotReady, match="no store can take a backup"):
        carry_through(world, RUNBOOK, tmp_path)
    assert not world.done


def test_a_database_down_takes_its_repository_with_it(tmp_path: Path) -> None:
    """Nobody else archives there; the other repository gets its backup without waiting for that."""
    world = World()
    world.alone, world.silent = True, "unit-two-db-1"
    run = carry_through(world, RUNBOOK, tmp_path)
    assert run.figures["repositories"].keys() == {"one"}
    assert run.figures["fingerprint"]["scheme"] == "barrier"
    assert "two: no backup there: its database does not archive, as it does not answer: container" in str(run.reasons)


def test_one_store_down_goes_on_degraded_and_the_next_run_makes_it_whole(tmp_path: Path) -> None:
    """The other site's repository gets its backup; then the one that was down gets a full."""
    world = World()
    world.stores["one"].answers = False
    run = carry_through(world, RUNBOOK, tmp_path)
    assert run.figures["repositories"].keys() == {"two"}
    assert run.reasons
    assert run.reasons[0].startswith("one: no backup there")
    world.stores["one"].answers = True
    world.backups[0]["run"] = "r0"
    assert carry_through(world, RUNBOOK, tmp_path).reasons == []
    assert [(b["repo"], b["kind"]) for b in world.backups if b["repo"] == 1] == [(1, "full")]


def test_a_full_disk_is_refused_before_anything(tmp_path: Path) -> None:
    """The message names the container, the setting and what to do."""
    world = World()
    world.free["db"] = 5 << 20
    with pytest.raises(NotReady, match=r"unit-one-db-1: 5 MiB free .* enlarge the volume"):
        carry_through(world, RUNBOOK, tmp_path)
    assert not world.done


NEARLY_FULL = {"available": 3 * GIB}
FULL = {"available": GIB, "state": ["exists", "full", "up"]}
SHORT = {"available": 5 * GIB, "disk_free": 5 << 20}
TAKEN = {"disk_free": 5 << 20, "not_taken": 0}  # the file has all of its bytes: no disk is asked for more


@pytest.mark.parametrize(
    ("room", "said"),
    [
        (NEARLY_FULL, "nearly full: 17408 MiB of 20480 MiB used; from 19456 MiB on whoever writes waits"),
        (FULL, "full: 19456 MiB of 20480 MiB used, and whoever writes waits"),
        (SHORT, "short of room: 5 MiB left on its disk, less than the 1024 MiB of separuh:backup.free_bytes"),
    ],
)
def test_a_store_without_room_gets_no_backup_and_the_other_does(
    tmp_path: Path, room: dict[str, Any], said: str
) -> None:
    """Nor does it keep what is past its retention, as long as it lets anything be removed: nothing else makes room."""
    world = World()
    world.rooms["one"] |= room
    run = carry_through(world, RUNBOOK, tmp_path)
    assert run.figures["repositories"].keys() == {"two"}
    assert run.reasons[0].startswith(f"one: no backup there: unit-one-store-1 is {said}")
    expired = [line for line in world.done if line.endswith("--repo=1 --log-level-stderr=warn expire")]
    assert bool(expired) == (room is not FULL)


def test_a_store_whose_file_has_all_its_bytes_needs_no_disk(tmp_path: Path) -> None:
    """And a company's own is not asked."""
    world = World(replace(SETTINGS, sites=(SETTINGS.sites[0], replace(SETTINGS.sites[1], s3_endpoint="https://s3"))))
    world.rooms["one"] |= TAKEN
    del world.rooms["two"]
    run = carry_through(world, RUNBOOK, tmp_path)
    assert run.figures["repositories"].keys() == {"one", "two"}


def test_a_store_that_refuses_gets_no_backup_and_the_other_does(tmp_path: Path) -> None:
    """The reason says what to compare."""
    world = World()
    world.stores["one"].refuses = True
    run = carry_through(world, RUNBOOK, tmp_path)
    assert run.figures["repositories"].keys() == {"two"}
    assert run.reasons[0].startswith("one: no backup there: unit-one-store refuses bucket unit-one-backup: Forbidden")
    assert "key of the stack's secrets" in run.reasons[0]


def test_a_store_that_lets_a_lock_be_shortened_is_found_out(tmp_path: Path) -> None:
    """Moto does: the canary shows it, and the manifest is not touched."""
    world = World()
    world.stores["two"].holds = False
    with pytest.raises(Undone, match="let the backup's own key to shorten the lock of separuh/canary/r1"):
        carry_through(world, RUNBOOK, tmp_path)


def test_a_backup_that_lacks_a_segment_is_not_complete(tmp_path: Path) -> None:
    """Listed is not enough: the segment's name is in the message."""
    world = World()
    run = carry_through(world, RUNBOOK, tmp_path)
    site = world.settings.sites[1]
    made_there = made_by(run, [site])[site]
    with pytest.raises(NotVerified, match="lacks 000000010000000000000003 in its archive"):
        complete(run, site, replace(made_there, wal_stop="000000010000000000000003"), 1_000_000)
    with pytest.raises(NotVerified, match="not plausible"):
        complete(run, site, made_there, 10_000_000)


def test_a_run_told_to_take_no_fingerprint_has_every_step_but_that() -> None:
    """Also where another runner finishes it: the argument is all that is looked at."""
    run = run_in(World(), RUNBOOK)
    assert RUNBOOK.table(run) == STEPS
    without = RUNBOOK.table(replace(run, arguments={"fingerprint": NONE}))
    assert without == tuple(step for step in STEPS if step is not FINGERPRINT)
    assert len(without) == len(STEPS) - 1
