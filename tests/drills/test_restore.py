"""`inv restore` on the real stack: a mistake found and undone, data that is gone, a site that is gone, dead runners."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from infra.settings import ROOT
from runbooks.adapters import credit
from runbooks.core.errors import Exit
from runbooks.core.leader import leader
from runbooks.parts.repositories import cluster
from runbooks.restore import BEFORE, CUSTOMERS, STANDBY
from tests.drills.clones import cloned
from tests.drills.mistakes import archived, asked, change, damage, damaged, database, found, mistaken
from tests.drills.payments import Payer
from tests.drills.repositories import leads, release_all, settled, sites_of
from tests.drills.stack import Stack, docker, kill, until

pytestmark = pytest.mark.drill

STEPS = [*BEFORE, *CUSTOMERS, *STANDBY]
NUMBER = {step.title: number for number, step in enumerate(STEPS, start=1)}
WITHIN = 400  # seconds for a restore on a busy machine


@pytest.fixture(scope="module")
def backed_up(stack: Stack) -> Iterator[None]:
    """A stack with loans to pay and a backup of its timeline; nothing is kept afterwards."""
    release_all(stack)
    stack.inv("seed", "--loans", "2000", within=300)
    settled(stack)
    stack.inv("backup", "--kind", "full", within=300)
    yield
    release_all(stack)


def in_sync(stack: Stack) -> bool:
    """Say whether a standby holds every acknowledged commit."""
    return cluster(stack.estate).in_sync


def well(stack: Stack) -> bool:
    """Say whether `status` finds nothing to say; on a busy machine its three seconds may not suffice."""
    asked = stack.begin("status")
    asked.communicate(timeout=60)
    return asked.returncode == Exit.DONE


def kept(stack: Stack) -> set[str]:
    """Return the folders that restores have kept, by site."""
    found = set()
    for site in sites_of(stack):
        listed = docker("exec", stack.container(site.name, "backup"), "sh", "-c", "ls -d /data/*/*.before-* || true")
        found |= {f"{site.name} {path}" for path in listed.split()}
    return found


def ended(record: dict[str, Any], title: str) -> datetime:
    """Return when a step of a run had ended."""
    (step,) = [step for step in record["steps"] if step["title"] == title]
    return datetime.fromisoformat(step["started_at"]) + timedelta(seconds=step["seconds"])


def began(record: dict[str, Any], title: str) -> datetime:
    """Return when a step of a run began."""
    (step,) = [step for step in record["steps"] if step["title"] == title]
    return datetime.fromisoformat(step["started_at"])


def goes_on(stack: Stack) -> None:
    """Expect a standby in sync, the next backup done, and both repositories without a gap."""
    assert in_sync(stack)
    stack.inv("backup", within=300)
    assert stack.last_record()["outcome"] == "done"
    assert "missing" not in stack.inv("backup.verify", within=300)
    until(lambda: well(stack), 90, "healthy")


def test_a_wrong_update_is_found_and_undone_with_nothing_else_lost(stack: Stack, backed_up: None) -> None:
    """All that was acknowledged before it is there; nobody was told that he paid while customers were kept out."""
    with Payer(stack.estate, "jkt") as payer:
        until(lambda: len(payer.acknowledged()) >= 5, 60, "payments before the mistake")
        moment = datetime.now(UTC)
        damage(stack)
        behind = datetime.now(UTC)
        until(lambda: len(payer.acknowledged(behind)) >= 3, 60, "payments behind the mistake")
        archived(stack)
        wrong = found(stack, moment)
        mistaken = datetime.fromisoformat(wrong["at"])
        assert moment <= mistaken <= behind
        assert "type the stack's name" in stack.inv("restore", "--xid", str(wrong["xid"]), code=Exit.NOT_READY)
        stack.inv("restore", "--xid", str(wrong["xid"]), "--confirm", stack.name, within=WITHIN)
        record = stack.last_record()
        let_in = ended(record, "Let customers in")
        until(lambda: len(payer.acknowledged(let_in)) >= 3, 60, "payments after the restore")
    assert record["outcome"] == "done", record
    assert record["figures"]["timeline"] == cluster(stack.estate).leader.timeline
    assert damaged(stack) == 0
    fenced = ended(record, "Keep customers out")
    assert payer.acknowledged(fenced + timedelta(seconds=0.5), began(record, "Let customers in")) == []
    turned_away = [each for each in payer.answers if each.status not in (200, 201)]
    assert {each.status for each in turned_away} <= {503}, turned_away
    stays = [*payer.acknowledged(until=mistaken), *payer.acknowledged(let_in)]
    audit = payer.audit(stays)
    assert audit.acknowledged == len(stays)
    assert (audit.lost, audit.altered, audit.twice, audit.problems) == (0, 0, 0, ())
    gone = [each for each in payer.acknowledged(until=fenced) if each.sent > mistaken]
    assert payer.audit(gone).lost == len(gone) >= 2
    assert record["figures"]["standby_from"] in {site.name for site in sites_of(stack)}
    assert len(kept(stack)) == len(sites_of(stack))
    goes_on(stack)
    stack.inv("restore.release", record["id"], "--confirm", stack.name)
    assert kept(stack) == set()


def test_one_table_beside_the_running_one(stack: Stack, backed_up: None) -> None:
    """Its rows are those of the moment; the running table and its customers notice nothing."""
    with Payer(stack.estate, "sby") as payer:
        until(lambda: len(payer.acknowledged()) >= 2, 60, "payments")
        archived(stack)
        at = datetime.now(UTC).replace(microsecond=0)
        count = f"SELECT count(*) FROM payment WHERE pg_xact_commit_timestamp(xmin) <= '{at.isoformat()}'"  # noqa: S608
        wanted = asked(stack, count)
        until(lambda: len(payer.acknowledged(at)) >= 2, 60, "payments behind the moment")
        stack.inv("restore", "--table", "payment", "--at", at.isoformat(), within=WITHIN)
        name = f"payment_{at:%Y%m%dt%H%M%S}"
        assert stack.last_record()["figures"]["rows"] == int(wanted)
        assert asked(stack, f"SELECT count(*) FROM {name}") == wanted  # noqa: S608
        difference = f"SELECT count(*) FROM (TABLE {name} EXCEPT TABLE payment) AS changed"  # noqa: S608
        assert asked(stack, difference) == "0"
        change(stack, f"DROP TABLE {name}")
    assert [each for each in payer.answers if not each.acknowledged] == []
    assert payer.audit(payer.acknowledged()).holds


@pytest.mark.full
def test_both_members_lose_their_data(stack: Stack, backed_up: None) -> None:
    """The newest point that is archived comes back, which here is all that was acknowledged."""
    assert "gains nothing" in stack.inv("restore", "--confirm", stack.name, code=Exit.NOT_READY)
    with Payer(stack.estate, "jkt") as payer:
        until(lambda: len(payer.acknowledged()) >= 5, 60, "payments")
    archived(stack)
    for site in sites_of(stack):
        docker(
            "exec",
            stack.container(site.name, "db"),
            "sh",
            "-c",
            "rm -rf /data/17/1/* && pkill -KILL -x postgres || true",
        )
    stack.inv("restore", "--confirm", stack.name, within=WITHIN)
    audit = payer.audit(payer.acknowledged())
    assert audit.acknowledged >= 5
    assert audit.holds
    goes_on(stack)
    release_all(stack)


def killed_at(stack: Stack, step: int, *options: str) -> None:
    """Begin a restore and kill its runner as it begins a step; the docker commands that it waits for live on."""
    since = stack.journals()
    runner = stack.begin("restore", *options, "--confirm", stack.name)
    until(lambda: stack.reached(step, since) or runner.poll() is not None, WITHIN, f"step {step}")
    assert runner.poll() is None, runner.communicate()[0]
    kill(runner)
    stack.end_lease()


DIES = [
    pytest.param(number, id=f"{number} {step.title}", marks=() if number == NUMBER["Promote it"] else pytest.mark.full)
    for number, step in enumerate(STEPS, start=1)
]


@pytest.mark.parametrize("step", DIES)
def test_a_dead_runners_restore_is_finished(stack: Stack, backed_up: None, step: int) -> None:
    """Whichever step it died in: the mistake is undone, what was acknowledged before is there, nothing is held."""
    payer, wrong = mistaken(stack, "jkt")
    killed_at(stack, step, "--lsn", wrong["lsn"])
    said = stack.inv("restore", "--resume", within=WITHIN)
    assert "finishing it" in said
    assert stack.last_record()["outcome"] == "done", said
    assert damaged(stack) == 0
    assert payer.audit(payer.acknowledged()).holds
    assert stack.dead_run() is None
    until(lambda: in_sync(stack), 60, "in sync")
    until(lambda: well(stack), 90, "healthy")
    release_all(stack)


@pytest.mark.full
@pytest.mark.parametrize("title", ["Set the old data aside", "Restore the backup", "Recover it up to the point"])
def test_one_that_is_interrupted_is_taken_back(stack: Stack, backed_up: None, title: str) -> None:
    """The old database serves again, on its own timeline, with nothing kept and Patroni governing."""
    before = cluster(stack.estate).leader
    assert "does not reach" in stack.inv("restore", "--lsn", "F/0", "--confirm", stack.name, code=Exit.NOT_READY)
    with Payer(stack.estate, "jkt") as payer:
        until(lambda: len(payer.acknowledged()) >= 2, 60, "payments")
        archived(stack)
        at = datetime.now(UTC).isoformat()
        since = stack.journals()
        runner = stack.begin("restore", "--at", at, "--confirm", stack.name)
        until(lambda: stack.reached(NUMBER[title], since) or runner.poll() is not None, WITHIN, title)
        runner.send_signal(signal.SIGINT)
        said, _ = runner.communicate(timeout=WITHIN)
        assert runner.returncode == Exit.UNDONE, said
        after = datetime.now(UTC)
        until(lambda: len(payer.acknowledged(after)) >= 2, 60, "payments again")
    assert payer.audit(payer.acknowledged()).holds
    assert cluster(stack.estate).leader.timeline == before.timeline
    assert cluster(stack.estate).leader.name == before.name
    assert kept(stack) == set()
    until(lambda: in_sync(stack), 60, "in sync")
    until(lambda: well(stack), 90, "healthy")


@pytest.mark.full
def test_from_the_other_sites_repository(stack: Stack, backed_up: None) -> None:
    """The site's own store is gone: it says so, restores from the other's, and archives when the store is back."""
    payer, wrong = mistaken(stack, "sby")
    site = next(site for site in sites_of(stack) if leads(stack, site))
    (other,) = [each for each in sites_of(stack) if each != site]
    options = ("restore", "--lsn", wrong["lsn"], "--confirm", stack.name)
    with stack.stopped(site.name, "store"):
        assert f"--from {other.name}" in stack.inv(*options, code=Exit.NOT_READY)
        stack.inv(*options, "--from", other.name, code=Exit.DEGRADED, within=WITHIN)
    assert payer.audit(payer.acknowledged()).holds
    assert damaged(stack) == 0
    settled(stack)
    goes_on(stack)
    release_all(stack)


@pytest.mark.full
def test_a_leader_that_runs_and_is_damaged_is_restored_all_the_same(stack: Stack, backed_up: None) -> None:
    """To the newest point, on the operator's word: its pages are not trusted, the archive is, which has all of it."""
    with Payer(stack.estate, "sby") as payer:
        until(lambda: len(payer.acknowledged()) >= 3, 60, "payments")
    archived(stack)
    stack.inv("restore", "--anyway", "--confirm", stack.name, within=WITHIN)
    assert payer.audit(payer.acknowledged()).holds
    goes_on(stack)
    release_all(stack)


@pytest.mark.full
def test_with_strict_durability_nobody_pays_before_a_standby_holds_it(
    stack: Stack, backed_up: None, tmp_path: Path
) -> None:
    """The standby is rebuilt first, and customers are let in behind it."""
    strict = cloned(stack, tmp_path / "clone")
    values = strict.root / f"Pulumi.{stack.name}.yaml"
    values.write_text(values.read_text() + "  separuh:database: {durability: strict}\n")
    for file in ("secrets.age", "images.yaml"):
        (strict.root / ".separuh" / stack.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / ".separuh" / stack.name / file, strict.root / ".separuh" / stack.name)
    strict.inv("up", within=300)
    try:
        with Payer(stack.estate, "jkt") as payer:
            until(lambda: len(payer.acknowledged()) >= 3, 60, "payments before the mistake")
            moment = datetime.now(UTC)
            damage(stack)
            archived(stack)
            wrong = found(stack, moment)
            strict.inv("restore", "--lsn", wrong["lsn"], "--confirm", stack.name, within=WITHIN)
            record = strict.last_record()
            let_in = ended(record, "Let customers in")
            until(lambda: len(payer.acknowledged(let_in)) >= 3, 60, "payments after the restore")
        assert began(record, "Let customers in") >= ended(record, "Rebuild the standby")
        assert damaged(stack) == 0
        stays = [*payer.acknowledged(until=moment), *payer.acknowledged(let_in)]
        assert payer.audit(stays).holds
    finally:
        stack.inv("up", within=300)
    goes_on(stack)
    release_all(stack)


@pytest.mark.full
def test_at_the_other_site(stack: Stack, backed_up: None) -> None:
    """The leader's site has lost its database for good: the other is restored, and stands alone until it is back."""
    payer, wrong = mistaken(stack, "sby")
    lost = next(site for site in sites_of(stack) if leads(stack, site))
    (other,) = [each for each in sites_of(stack) if each != lost]
    with stack.stopped(lost.name, "db"):
        until(lambda: leads(stack, other), 60, "failover")
        options = ("--lsn", wrong["lsn"], "--site", other.name, "--confirm", stack.name)
        stack.inv("restore", *options, code=Exit.DEGRADED, within=WITHIN)
        assert damaged(stack) == 0
        assert payer.audit(payer.acknowledged()).holds
    until(lambda: in_sync(stack), 120, "the site that came back is in sync")
    assert damaged(stack) == 0
    assert leader(stack.estate).ask(credit.problems(database(stack))) == []
    goes_on(stack)
    release_all(stack)
