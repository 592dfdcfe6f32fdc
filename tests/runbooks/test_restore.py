"""What a restore in earnest refuses, changing nothing, and how one that failed is finished or taken back."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from runbooks.core.errors import Failed, NotReady, Undone
from runbooks.core.journal import Head, Journal
from runbooks.core.perform import Performance
from runbooks.core.progress import Progress
from runbooks.core.run import Run
from runbooks.restore import RUNBOOK
from tests.runbooks.fake import World
from tests.runbooks.fake_restore import COMMITTED
from tests.runbooks.test_every_runbook import world_of

EARLIER = {"at": "2025-12-31T23:59:59"}


def run_of(world: World, **arguments: str) -> Run:
    """Return a run with `arguments`; `origin` is the option `from`."""
    given = {{"origin": "from"}.get(name, name): value for name, value in arguments.items()}
    estate: Any = world
    return Run("r1", RUNBOOK.name, world.settings, world.secrets, estate, given)


def looked(run: Run) -> Run:
    """Carry out the prechecks."""
    for precheck in RUNBOOK.prechecks:
        precheck(run)
    return run


def refused(world: World, words: str, **arguments: str) -> None:
    """Expect a refusal that has changed nothing."""
    with pytest.raises(NotReady, match=words):
        looked(run_of(world, **arguments))
    assert not world.done


def taken(run: Run, folder: Path, begun: Head | None = None) -> Head:
    """Take the steps of `run`, from where `begun` stands; return its head."""
    head = begun or Head(run.id, RUNBOOK.name, {}, "2026-01-01T00:00:00+00:00", "me", "")
    performance = Performance(
        run, RUNBOOK.table(run), head, Journal(folder, run.id), None, Progress(run.estate.console, {})
    )
    performance.carry_through()
    return head


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A cluster with a backup in each repository."""
    return world_of(RUNBOOK, tmp_path)


def test_before_the_oldest_backup(world: World) -> None:
    refused(world, "no backup leads to 2025-12-31", **EARLIER)


def test_in_the_future(world: World) -> None:
    refused(world, "does not reach 2126", at="2126-01-01T00:00:00")


def test_beyond_what_the_leader_has_written(world: World) -> None:
    """It writes the second segment."""
    refused(world, "does not reach", lsn="0/3000000")
    assert looked(run_of(world, lsn="0/2FFFFFF")).recall("label")


def test_who_waits_for_a_standby(world: World) -> None:
    """With `durability: strict` customers do, as nothing is acknowledged that one site alone has."""
    run = run_of(world, xid="742")
    titles = [step.title for step in RUNBOOK.table(run)]
    assert titles.index("Let customers in") < titles.index("Rebuild the standby")
    run.settings = replace(run.settings, database=replace(run.settings.database, durability="strict"))
    strict = [step.title for step in RUNBOOK.table(run)]
    assert strict.index("Let customers in") > strict.index("Rebuild the standby")
    assert sorted(strict) == sorted(titles)


def test_beyond_the_archive_without_a_leader(world: World) -> None:
    """The archive's newest commit is of midnight; a leader that is gone adds nothing to it."""
    world.cluster.stopped |= {"one", "two"}
    refused(world, "does not reach", at="2026-01-01T00:00:06.5")


def test_a_backup_that_is_not_there(world: World) -> None:
    refused(world, "no backup 20200101-000000F", backup="20200101-000000F", xid="742")


def test_the_newest_point_while_a_member_has_it(world: World) -> None:
    """Patroni replaces a lost leader by itself, and a healthy one has more than any repository."""
    refused(world, "the newest point gains nothing")
    assert looked(run_of(world, anyway="yes")).recall("target")["kind"] == "newest"


def test_too_little_room(world: World) -> None:
    world.free["backup"] = 1 << 20
    refused(world, "MiB free", xid="742")


def test_a_store_that_does_not_answer(world: World) -> None:
    """The other site's repository is named as the way out, and taken where it is asked for."""
    world.stores["one"].answers = False
    refused(world, "--from two", xid="742")
    run = looked(run_of(world, xid="742", origin="two"))
    assert run.recall("from") == "two"
    assert run.recall("sites") == ["two"]
    assert any(reason.startswith("one: its store does not answer") for reason in run.reasons)


def test_patroni_paused_by_somebody(world: World) -> None:
    world.cluster.paused = True
    refused(world, "Patroni is paused", xid="742")


def test_a_transaction_nobody_knows(world: World) -> None:
    """Neither the leader nor the log: and the log says only what it was asked."""
    world.cluster.stopped |= {"one", "two"}
    refused(world, "committed in none of the last", xid="742")


def test_one_that_breaks_before_the_return_is_taken_back(world: World, tmp_path: Path) -> None:
    """Customers are let in, Patroni governs, the old data is where it was, and nothing is kept."""
    run = looked(run_of(world, xid="742"))
    world.fails = "restore"
    with pytest.raises(Undone):
        taken(run, tmp_path)
    assert not world.cluster.shut
    assert not world.cluster.paused
    assert not world.cluster.kept
    assert not world.cluster.stopped


def test_one_that_breaks_behind_it_is_finished_by_another_runner(world: World, tmp_path: Path) -> None:
    """Nothing is taken back, and what was remembered is enough to go on."""
    run = looked(run_of(world, xid="742"))
    world.fails = "https://localhost:8008/restart"
    with pytest.raises(Failed, match="past the point of no return"):
        taken(run, tmp_path)
    assert world.cluster.shut == {"one", "two"}
    assert world.cluster.paused
    world.fails = ""
    head = Head.parse(_last_head(tmp_path))
    head.steps = [step for step in head.steps if step.outcome not in ("failed", "undone")]
    other = run_of(world, xid="742")
    other.notes, other.figures, other.resumed = head.notes, head.figures, True
    taken(other, tmp_path, head)
    assert not world.cluster.shut
    assert not world.cluster.paused
    assert world.cluster.timeline == 2
    assert datetime.fromisoformat(other.figures["recovered_until"]) == datetime.fromisoformat(COMMITTED)
    assert set(world.cluster.kept.values()) == {"r1"}


def _last_head(folder: Path) -> str:
    events = [json.loads(line) for line in (folder / "r1.jsonl").read_text().splitlines()]
    return str([event["head"] for event in events if event["event"] == "head"][-1])
