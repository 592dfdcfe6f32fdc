"""A moment is restored exactly: all that was paid until then, nothing of later, while payments went on."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from runbooks.core.command import Query
from runbooks.core.leader import leader
from runbooks.core.ledger import new_id
from runbooks.core.perform import wait_until_holds
from runbooks.core.run import Run
from runbooks.parts import throwaway
from runbooks.parts.findings import checks
from runbooks.restore_drill import CLOSE, RUNBOOK, SECOND, STEPS
from tests.drills.payers import paying
from tests.drills.repositories import settled
from tests.drills.sabotage.drilled import evidence_of, members, outcomes, remains
from tests.drills.stack import Stack, kill, until

pytestmark = pytest.mark.drill

RATE, SECONDS_A_MOMENT = 100.0, 1.5
RESTORING = tuple(step for step in STEPS if step.do in (throwaway.make, throwaway.restore, throwaway.start))
THERE = "SELECT key FROM payment WHERE key LIKE '{name}-%'"
COMMITTED = """
SELECT key, extract(epoch FROM pg_xact_commit_timestamp(xmin)) FROM payment WHERE key LIKE '{name}-%'
"""


@pytest.fixture(scope="module")
def backed_up(stack: Stack) -> None:
    """Have a new backup in both repositories, before which no moment is chosen here."""
    settled(stack)
    stack.inv("seed", "--loans", "2000", within=120)
    stack.inv("backup", "--no-fingerprint", within=300)


def restored(stack: Stack, moment: float, name: str, first: bool) -> set[str]:
    """Return the payments in a throwaway database that is restored to `moment`; `first` closes the log behind it."""
    at = datetime.fromtimestamp(moment, UTC).isoformat(timespec="microseconds")
    estate = stack.estate
    run = Run(new_id("restore-drill"), "restore-drill", estate.settings, estate.secrets, estate, {"at": at})
    for look in RUNBOOK.prechecks:
        look(run)
    try:
        for step in (CLOSE, *RESTORING) if first else RESTORING:
            step.do(run)
            wait_until_holds(step, run)
        assert not checks(run)  # what is wrong with a restore is a finding
        question = Query(
            sql=THERE.format(name=name),
            parse=lambda rows: {str(key) for (key,) in rows},
            database=estate.settings.cluster,
        )
        return throwaway.copy(run).ask(question)
    finally:
        throwaway.remove(run)


def committed(stack: Stack, name: str) -> Mapping[str, float]:
    """Return when the living database committed each payment, by its key."""
    question = Query(
        sql=COMMITTED.format(name=name),
        parse=lambda rows: {str(key): float(at or 0) for key, at in rows},
        database=stack.estate.settings.cluster,
    )
    return leader(stack.estate).ask(question)


@pytest.mark.usefixtures("backed_up")
@pytest.mark.parametrize("count", [3, pytest.param(20, marks=pytest.mark.full)])
def test_all_that_was_paid_until_a_moment_and_nothing_of_later(stack: Stack, count: int) -> None:
    """Acknowledged before: there. Sent after: not. And by the commit times that the living database tells, exactly."""
    seconds = count * SECONDS_A_MOMENT
    with paying(stack, RATE, int(RATE * (seconds + 5))) as (name, paid):
        until(lambda: len(committed(stack, name)) > RATE, 60, "payments are made")
        began = time.time()
        until(lambda: time.time() > began + seconds, seconds + 5, "payments have flowed for a while")
        ended = time.time()
    living = committed(stack, name)
    assert set(living) == {payment.key for payment in paid}
    moments = [random.uniform(began, ended) for _ in range(count)]  # noqa: S311 - nothing secret
    for number, moment in enumerate(sorted(moments)):
        there = restored(stack, moment, name, first=number == 0)
        before = {payment.key for payment in paid if payment.acknowledged <= moment}
        after = {payment.key for payment in paid if payment.sent > moment}
        exactly = {key for key, at in living.items() if at <= moment}
        print(f"{moment:.6f}: {len(there)} there, {len(before)} acknowledged before, {len(after)} sent after")
        assert before
        assert before - there == set()
        assert there & after == set()
        assert there == exactly, f"{moment:.6f}: {sorted(there ^ exactly)}"
    assert remains(stack) == []


@pytest.mark.usefixtures("backed_up")
def test_a_drill_to_a_moment_proves_both_repositories(stack: Stack) -> None:
    """Each site's own repository gives back the same, down to the last row."""
    before = members(stack)
    moment = datetime.now(UTC).isoformat(timespec="microseconds")
    stack.inv("restore-drill", "--at", moment, within=300)
    evidence = evidence_of(stack, stack.last_record()["id"])
    assert evidence.proved, outcomes(evidence)
    assert evidence.target == moment
    assert evidence.other is not None
    assert evidence.other.repository != evidence.backup.repository
    assert evidence.content.rows > 2000
    assert remains(stack) == []
    assert members(stack) == before


@pytest.mark.full
@pytest.mark.usefixtures("backed_up")
def test_with_one_store_it_is_sound_and_compared_with_nothing(stack: Stack) -> None:
    """An LSN, while the other site's store is down: it is told so, and not called proved."""
    leading = leader(stack.estate).name
    (far,) = [site for site in stack.estate.settings.sites if stack.container(site.name, "db") == leading]
    question = Query(sql="SELECT pg_current_wal_lsn()", parse=lambda rows: str(rows[0][0]))
    lsn = leader(stack.estate).ask(question)
    with stack.stopped(far.name, "store"):
        said = stack.inv("restore-drill", "--lsn", lsn, code=7, within=300)
    assert f"compared with nothing: {far.name}: its store does not answer" in said
    record = stack.last_record()
    assert (record["outcome"], record["figures"]["proved"]) == ("degraded", False)
    settled(stack)
    assert remains(stack) == []


@pytest.mark.full
@pytest.mark.usefixtures("backed_up")
def test_a_runner_killed_while_it_makes_the_second_copy(stack: Stack) -> None:
    """The next finishes the drill, and neither copy stays."""
    since, moment = stack.journals(), datetime.now(UTC).isoformat(timespec="microseconds")
    number = 2 + next(number for number, step in enumerate(STEPS) if step.title == "Prove what it holds")
    runner = stack.begin("restore-drill", "--at", moment)
    until(lambda: stack.reached(number, since) or runner.poll() is not None, 120, SECOND.title)
    until(lambda: any("-other" in name for name in remains(stack)), 60, "the second copy is begun")
    assert runner.poll() is None
    kill(runner)
    stack.end_lease()
    stack.inv("restore-drill", "--resume", within=300)
    evidence = evidence_of(stack, stack.last_record()["id"])
    assert evidence.proved, outcomes(evidence)
    assert remains(stack) == []
