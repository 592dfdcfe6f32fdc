"""What `rejoin` refuses by name, which of its ways it takes, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runbooks import backup
from runbooks.core.errors import NotReady, NotVerified, Undone
from runbooks.core.run import Run
from runbooks.health import members
from runbooks.parts import comeback, known, returned, voter
from runbooks.rejoin import RUNBOOK, SITE, START, VOTER
from tests.runbooks.fake import World
from tests.runbooks.fake_return import PARTED, REWOUND, Voter, lost
from tests.runbooks.test_every_runbook import carry_through, run_in


def world_with(place: str = "two", **given: Any) -> World:
    """Return a world whose `place` comes back, as `given`."""
    world = World()
    world.returning = lost(place, **given)
    return world


def unnoticed(world: World) -> None:
    world.cluster.first = "two"


def paused(world: World) -> None:
    world.moving.patroni_paused = True


def unmade(world: World) -> None:
    assert world.returning
    world.returning.gone = {"unit-two-db-1", "unit-two-etcd-1"}


def without_a_quorum(world: World) -> None:
    world.moving.silent.add("unit-one-etcd-1")


def full(world: World) -> None:
    world.free["backup"] = 5 << 20


REFUSED: list[tuple[Callable[[World], None], str]] = [
    (unnoticed, "two leads: it is where the others come back to"),
    (paused, "Patroni is paused"),
    (unmade, "unit-two-etcd-1, unit-two-db-1 not there. ./inv up --site two"),
    (without_a_quorum, "the etcd of one has no majority behind it"),
    (full, "two: 5 MiB free"),
]


@pytest.mark.parametrize(("spoil", "named"), REFUSED, ids=lambda value: getattr(value, "__name__", ""))
def test_what_is_not_ready_is_named_and_nothing_is_changed(
    spoil: Callable[[World], None], named: str, tmp_path: Path
) -> None:
    world = world_with()
    spoil(world)
    with pytest.raises(NotReady, match=named):
        carry_through(world, RUNBOOK, tmp_path)
    assert not world.done


def test_two_that_lead_and_trust_the_same_quorum_are_left_alone(tmp_path: Path) -> None:
    """One that a re-formed quorum does not know is stopped before anything else."""
    world = world_with()
    assert world.returning
    world.answers["SELECT NOT pg_is_in_recovery()"] = [("t",)]
    run = run_in(world, RUNBOOK)
    world.moving.leads = "one"
    returned.another_site_leads(run)
    run.remember("two_lead", True)
    returned.only_one_is_of_the_quorum(run)
    world.returning.voters["two"] = Voter(2, "unit-two-etcd-1")
    with pytest.raises(NotReady, match="two takes writes too"):
        returned.only_one_is_of_the_quorum(run)


def test_what_one_wrote_beside_the_leader_is_set_aside_before_it_could_be_rewound() -> None:
    world = world_with()
    run = run_in(world, RUNBOOK)
    world.moving.leads = "one"
    returned.another_site_leads(run)
    known.the_quorum_stands(run)
    run.remember("two_lead", True)
    run.remember("left_behind", True)
    voter.end_old(run)
    places = [number for number, line in enumerate(world.done) if "unit-two-db-1" in line or ".before-" in line]
    assert len(places) == 2, world.done
    assert "docker stop" in world.done[places[0]]
    assert ".before-" in world.done[places[1]]
    assert comeback.is_made_anew(run)


def came_back(tmp_path: Path, world: World) -> Run:
    """Return the run of a place that came back."""
    carry_through(world, backup.RUNBOOK, tmp_path / "before")
    world.done.clear()
    return carry_through(world, RUNBOOK, tmp_path)


def stopped(log: str) -> World:
    """Return a world whose site two was only stopped, for long enough that others voted meanwhile."""
    world = world_with(log=log)
    assert world.returning
    world.returning.cluster = 4660
    world.returning.voters["two"] = Voter(2, "unit-two-etcd-1")
    return world


def test_a_site_that_was_only_stopped_is_started_and_no_more(tmp_path: Path) -> None:
    world = stopped(REWOUND)
    returning, world.returning = world.returning, None
    carry_through(world, backup.RUNBOOK, tmp_path / "before")
    world.returning, before = returning, len(world.done)
    run = carry_through(world, RUNBOOK, tmp_path)
    assert (run.figures["voter"], run.figures["rejoined_by"]) == ("stays", "rewind")
    changed = [line for line in world.done[before:] if "psql" not in line and "archive_status" not in line]
    assert [line.split(" $ ")[1].split()[:2] for line in changed] == [["docker", "start"]]


def test_a_database_that_runs_beside_a_leader_of_another_history_is_restarted(tmp_path: Path) -> None:
    """It was cut off while that leader was restored: Patroni rewinds it, and only at a start."""
    world = stopped(PARTED)
    assert world.returning
    world.returning.running = set(members(world.settings, world.settings.site("two")))
    returning, world.returning = world.returning, None
    carry_through(world, backup.RUNBOOK, tmp_path / "before")
    world.returning, before = returning, len(world.done)
    run = carry_through(world, RUNBOOK, tmp_path)
    assert run.figures["rejoined_by"] == "rewind"
    assert [line for line in world.done[before:] if "docker" in line] == [
        "two $ docker stop --time 30 unit-two-db-1",
        "two $ docker start unit-two-db-1",
    ]


def test_a_learner_that_does_not_start_is_taken_off_the_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There may be one only: it would keep the witness from coming back."""
    world = world_with()
    world.fails, world.fails_at = "unit-two-etcd-1", "two"
    assert world.returning
    world.returning.running.add("unit-two-etcd-1")
    with pytest.raises(Undone):
        carry_through(world, RUNBOOK, tmp_path)
    assert "two" not in world.returning.voters


def test_a_copy_that_does_not_come_to_an_end_gives_the_old_data_back(tmp_path: Path) -> None:
    world = world_with()
    carry_through(world, backup.RUNBOOK, tmp_path / "before")
    assert world.returning

    def never(run: Run) -> bool:
        raise NotVerified("it copies")

    steps = tuple(replace(step, verify=never, within=0) if step.verify is comeback.is_well else step for step in SITE)
    table = (*VOTER, START, *steps)
    with pytest.raises(Undone, match="it copies"):
        carry_through(world, replace(RUNBOOK, steps=table), tmp_path)
    assert any('mv -T "$2" "$1"' in line for line in world.done)
    assert not world.returning.kept


def test_nothing_is_made_anew_while_nobody_else_leads(tmp_path: Path) -> None:
    """A dead run may be finished when the site that was to be made anew leads."""
    world = world_with()
    run = run_in(world, RUNBOOK)
    run.remember("led", "one")
    run.remember("anew", "it was asked for")
    unnoticed(world)
    with pytest.raises(NotVerified, match="one leads no more"):
        comeback.make_anew(run)
    assert not world.done


def test_the_witness_has_a_voter_and_nothing_else(tmp_path: Path) -> None:
    world = world_with("wit")
    assert world.returning
    del world.returning.voters["wit"]
    world.returning.voters["two"] = Voter(2, "unit-two-etcd-1")
    run = run_in(world, RUNBOOK)
    run.arguments = {"place": "wit"}
    for precheck in RUNBOOK.prechecks:
        precheck(run)
    for step in RUNBOOK.table(run):
        step.do(run)
    assert run.figures == {"voter": "replaced", "voters": 3}
    assert all(" unit-two-" not in line for line in world.done)


def test_two_voters_are_said_to_be_too_few(tmp_path: Path) -> None:
    world = world_with()
    assert world.returning
    del world.returning.voters["wit"]
    run = came_back(tmp_path, world)
    assert any("./inv rejoin wit" in reason for reason in run.reasons)
