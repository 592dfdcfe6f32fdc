"""`durability: strict` on the real stack: after a loss nobody pays before a standby holds it, and then all do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from runbooks.core.errors import Exit
from tests.drills.clones import Values, stack_of_its_own
from tests.drills.moves import standing_by, writers
from tests.drills.payments import Payer
from tests.drills.returns import containers, is_back, let_other_lead, lose
from tests.drills.stack import Stack, docker, until

pytestmark = [
    pytest.mark.drill,
    pytest.mark.usefixtures("rested"),
    pytest.mark.full,  # a second stack beside the drills' own, which is not strict
]

PORTS = {"jkt": {"gateway": 14080, "store": 14900}, "sby": {"gateway": 24080, "store": 24900}}
WITHIN = 300  # seconds for a runbook on a busy machine
ALONE = 15  # seconds for which it is watched that nobody pays


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A strict stack in a clone of its own, with a backup in each repository."""
    root = tmp_path_factory.mktemp("strict") / "clone"
    with stack_of_its_own("strict", root, PORTS, strict) as made:
        made.inv("up", within=900)
        made.inv("seed", "--loans", "4000", within=WITHIN)
        made.inv("backup", "--kind", "full", "--no-fingerprint", within=WITHIN)
        yield made


def strict(values: Values) -> None:
    """Let writes stop rather than go on at one site alone."""
    values.setdefault("separuh:database", {})["durability"] = "strict"


def nobody_pays(payer: Payer) -> None:
    """Watch for a while that nothing is acknowledged."""
    began = datetime.now(UTC)
    time.sleep(ALONE)
    assert payer.acknowledged(began) == []


def all_pay(payer: Payer) -> None:
    """Expect payments again, and that none of those acknowledged is lost."""
    began = datetime.now(UTC)
    until(lambda: len(payer.acknowledged(began)) >= 3, 60, "payments again")
    assert payer.audit(payer.acknowledged()).holds


def test_a_lost_site_stops_the_payments_and_its_return_lets_them_go_on(stack: Stack) -> None:
    lost, survivor = writers(stack)[0].name, standing_by(stack)
    with Payer(stack.estate, survivor) as payer:
        until(lambda: len(payer.acknowledged()) >= 3, 60, "payments")
        lose(stack, lost)
        let_other_lead(stack, survivor)
        nobody_pays(payer)
        said = stack.inv("rejoin", lost, within=WITHIN)
        assert stack.last_record()["outcome"] == "done", said
        all_pay(payer)
    is_back(stack, lost)


def test_a_failover_by_hand_says_that_nobody_can_pay_yet(stack: Stack) -> None:
    """Two of three places are gone: it ends as it does where customers are let in, but for them."""
    left, lost, witness = standing_by(stack), writers(stack)[0].name, stack.estate.settings.witness.name
    with Payer(stack.estate, left) as payer:
        until(lambda: len(payer.acknowledged()) >= 3, 60, "payments")
        for place in (lost, witness):
            lose(stack, place)
        said = stack.inv("failover", "--to", left, "--confirm", stack.name, code=Exit.DEGRADED, within=WITHIN)
        assert "durability is strict: nobody can pay before a standby is in sync" in said
        assert [site.name for site in writers(stack)] == [left]
        nobody_pays(payer)
        docker("start", *containers(stack, lost), *containers(stack, witness))
        stack.inv("rejoin", lost, code=(Exit.DONE, Exit.DEGRADED), within=WITHIN)
        all_pay(payer)
        stack.inv("rejoin", witness, within=WITHIN)
    is_back(stack, lost)


@pytest.mark.parametrize("kind", ["process", "leader"])
def test_a_game_day_is_survived(stack: Stack, kind: str) -> None:
    """Payments go on when the fault is lifted, later than agreed, and none is lost; there are never two leaders."""
    stack.inv("drill.failover", "--kind", kind, "--yes", code=(Exit.DONE, Exit.DEGRADED), within=WITHIN)
