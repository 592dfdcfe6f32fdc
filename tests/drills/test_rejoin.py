"""`inv rejoin` on the real stack: a lost site comes back, with its disks or without, and the witness too."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from runbooks.core.errors import Exit
from runbooks.parts import comeback, whole
from runbooks.rejoin import COUNT, SITE, START, VOTER
from tests.drills.moves import settled, standing_by, writers
from tests.drills.repositories import release_all
from tests.drills.returns import (
    containers,
    is_back,
    let_other_lead,
    lose,
    lose_disks,
    paid_beside,
    quorum,
    reform,
)
from tests.drills.stack import Stack, docker, kill, until

pytestmark = [pytest.mark.drill, pytest.mark.usefixtures("rested")]

STEPS = (*VOTER, START, *SITE, COUNT)
WITHIN = 300  # seconds for a place to come back on a busy machine
LOST = ("db", "etcd", "store")


@pytest.fixture(scope="module", autouse=True)
def backed_up(stack: Stack) -> Iterator[None]:
    """Loans to pay, and a backup in each repository; nothing is kept afterwards."""
    stack.inv("seed", "--loans", "6000", within=300)
    stack.inv("backup", "--kind", "full", "--no-fingerprint", within=300)
    yield
    release_all(stack)


def test_a_lost_leader_site_comes_back_without_a_reclone(stack: Stack) -> None:
    """Its containers are started, Patroni rewinds it, its repository gets what it lacked; customers notice nothing."""
    survivor, lost = standing_by(stack), writers(stack)[0].name
    lose(stack, lost)
    let_other_lead(stack, survivor)
    with paid_beside(stack, survivor):
        said = stack.inv("rejoin", lost, within=WITHIN)
    record = stack.last_record()
    assert record["outcome"] == "done", said
    assert record["figures"]["rejoined_by"] in ("rewind", "nothing to do")
    assert record["figures"]["voter"] == "stays"
    assert record["figures"]["rejoin_seconds"] > 0
    is_back(stack, lost)
    again = stack.inv("rejoin", lost, within=WITHIN)
    assert stack.last_record()["figures"]["rejoined_by"] == "nothing to do", again


def test_a_site_that_lost_its_disks_comes_back_from_the_other_repository(stack: Stack) -> None:
    """`up` makes its containers; its voter is replaced, its database restored, its repository filled by a full."""
    lost, survivor = standing_by(stack), writers(stack)[0].name
    lose_disks(stack, lost, *LOST)
    with paid_beside(stack, survivor):
        assert f"./inv up --site {lost}" in stack.inv("rejoin", lost, code=Exit.NOT_READY)
        stack.inv("up", "--site", lost, within=WITHIN)
        said = stack.inv("rejoin", lost, within=WITHIN)
    record = stack.last_record()
    assert record["outcome"] == "done", said
    assert record["figures"]["voter"] == "replaced"
    assert record["figures"]["rejoined_by"] == "repository"
    assert record["figures"]["repositories"][lost]["kind"] == "full"
    is_back(stack, lost)


def test_what_leads_and_what_is_no_place_is_refused(stack: Stack) -> None:
    leads = writers(stack)[0].name
    assert f"{leads} leads" in stack.inv("rejoin", leads, code=Exit.NOT_READY)
    assert "say which place comes back" in stack.inv("rejoin", "nowhere", code=Exit.USAGE)
    assert "has no database" in stack.inv("rejoin", "bdg", "--clone", code=Exit.USAGE)
    assert "nothing was changed" in stack.inv("rejoin", standing_by(stack), "--plan")


@pytest.mark.full
@pytest.mark.parametrize("broken", [False, True], ids=["asked for", "no database any more"])
def test_what_cannot_come_back_is_made_anew_and_its_data_is_kept(stack: Stack, broken: bool) -> None:
    lost, survivor = standing_by(stack), writers(stack)[0].name
    if broken:
        docker("stop", "-t", "5", stack.container(lost, "db"))
        docker("exec", stack.container(lost, "backup"), "sh", "-c", "rm /data/17/1/global/pg_control")
    with paid_beside(stack, survivor):
        said = stack.inv("rejoin", lost, *(() if broken else ("--clone",)), within=WITHIN)
    record = stack.last_record()
    assert (record["outcome"], record["figures"]["rejoined_by"]) == ("done", "repository"), said
    assert ("no database" if broken else "asked for") in record["figures"]["anew_because"]
    kept = docker("exec", stack.container(lost, "backup"), "sh", "-c", "ls -d /data/*/*.before-*")
    assert record["id"] in kept
    assert f"kept at {lost}: " in said
    assert f"./inv restore.release --stack {stack.name} {record['id']}" in said
    is_back(stack, lost)
    release_all(stack)


@pytest.mark.full
def test_a_witness_that_lost_its_disk_votes_again(stack: Stack) -> None:
    witness = stack.estate.settings.witness.name
    lose_disks(stack, witness, "etcd")
    settled(stack)  # it may have led etcd, and what that costs is not what coming back costs
    with paid_beside(stack, writers(stack)[0].name):
        assert "./inv up" in stack.inv("rejoin", witness, code=Exit.NOT_READY)
        stack.inv("up", within=WITHIN)
        stack.inv("rejoin", witness, within=WITHIN)
    assert stack.last_record()["figures"] == {"voter": "replaced", "voters": 3}
    is_back(stack, standing_by(stack))


@pytest.mark.full
def test_places_that_a_new_quorum_left_behind_come_back_one_by_one(stack: Stack) -> None:
    """The old members keep a majority of their own: they come into the new one as new ones or not at all."""
    lost, survivor, witness = standing_by(stack), writers(stack)[0].name, stack.estate.settings.witness.name
    lose(stack, witness)
    lose(stack, lost)
    reform(stack, survivor)
    let_other_lead(stack, survivor)
    docker("start", *containers(stack, witness), *containers(stack, lost))
    until(lambda: len(quorum(stack, lost)) == len(stack.estate.settings.places), 60, "the old quorum stands")
    with paid_beside(stack, survivor):
        said = stack.inv("rejoin", lost, code=Exit.DEGRADED, within=WITHIN)
        assert f"./inv rejoin --stack {stack.name} {witness}" in said
        stack.inv("rejoin", witness, within=WITHIN)
    assert stack.last_record()["figures"]["voters"] == len(stack.estate.settings.places)
    assert quorum(stack, survivor) == quorum(stack, lost) == quorum(stack, witness)
    is_back(stack, lost)


# A step whose state is reached already is over as it begins, and has no beginning to die at.
SKIPPED = (START, *(step for step in SITE if step.do in (comeback.see_it_come, whole.see_ways_open)))
KILLED = [number for number, step in enumerate(STEPS, start=1) if step not in (*SKIPPED, COUNT)]


@pytest.mark.full
@pytest.mark.parametrize("step", KILLED)
def test_a_dead_runners_return_is_finished(stack: Stack, step: int) -> None:
    """Whichever step it died in, of a site that has lost its disks and is to be made anew once more."""
    stack.inv("seed", "--loans", "20000", within=600)  # there are many of these drills
    lost, since = standing_by(stack), stack.journals()
    lose_disks(stack, lost, *LOST)
    stack.inv("up", "--site", lost, within=WITHIN)
    with paid_beside(stack, writers(stack)[0].name):
        runner = stack.begin("rejoin", lost, "--clone")
        begun = ("begin", step)
        until(lambda: begun in stack.progress(since) or runner.poll() is not None, WITHIN, f"step {step}")
        kill(runner)
        assert runner.returncode == -signal.SIGKILL, "it was faster"
        stack.end_lease()
        stack.inv("rejoin", lost, "--resume", within=WITHIN)
    is_back(stack, lost)
    release_all(stack)
