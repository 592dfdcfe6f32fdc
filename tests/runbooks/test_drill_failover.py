"""What a game day refuses, what it leaves struck (nothing), and how it judges what it has seen."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest

from runbooks import backup, drill
from runbooks.adapters.both_sides import Acknowledged, Heard, Refused
from runbooks.core.errors import Exit, NotReady, NotVerified, SeparuhError, Undone
from runbooks.core.game_day import CHECKS, GameDay
from runbooks.core.perform import holds
from runbooks.core.run import Run
from runbooks.drill import RUNBOOK
from runbooks.parts import kept_evidence, paying
from runbooks.parts.two_leaders import Path as Way
from runbooks.parts.two_leaders import compare
from tests.core.fake import SETTINGS
from tests.runbooks.conftest import AUDITED
from tests.runbooks.fake import World
from tests.runbooks.fake_fault import FakeCustomers
from tests.runbooks.test_every_runbook import ARGUMENTS, carry_through, run_in

pytestmark = pytest.mark.thorough

KINDS = [{"kind": "process"}, {"kind": "leader"}, {"kind": "site"}, {"kind": "link", "direction": "out"}]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a world with its buckets, in which nothing has been done yet."""
    world = World()
    carry_through(world, backup.RUNBOOK, tmp_path / "before")
    world.done.clear()
    return world


@pytest.fixture
def held(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that holds a game day with such arguments, and returns its run and what it left."""
    runs: list[Run] = []
    begun = run_in

    def remembered(*given: Any) -> Run:
        runs.append(begun(*given))
        return runs[-1]

    monkeypatch.setattr("tests.runbooks.test_every_runbook.run_in", remembered)

    def hold(**arguments: str) -> Run:
        given = {"kind": "site", "rate": "5", "check_both": "yes", **arguments}
        monkeypatch.setitem(ARGUMENTS, RUNBOOK.name, given)
        try:
            return carry_through(world, RUNBOOK, tmp_path)
        finally:
            hold.run = runs[-1]  # type: ignore[attr-defined]

    return hold


def evidence(run: Run) -> GameDay:
    """Return the evidence that a run has left here."""
    return GameDay.parse((kept_evidence.folder(run) / f"{run.id}.json").read_bytes())


@pytest.mark.parametrize("arguments", KINDS, ids=lambda each: each["kind"])
def test_each_kind_is_survived_and_proved(held: Any, world: World, arguments: dict[str, str]) -> None:
    run = held(**arguments)
    assert run.reasons == []
    found = evidence(run)
    assert (found.proved, found.led, found.leads, found.fault.kind) == (True, "one", "two", arguments["kind"])
    assert not world.falling.down
    assert not world.falling.cut


@pytest.mark.parametrize(("kind", "rto"), [("process", 9.9), ("leader", 9.9), ("site", 1.5), ("link", 1.5)])
def test_the_rto_is_of_the_gateways_that_can_serve(held: Any, kind: str, rto: float) -> None:
    """The gateway of a site that is gone serves nobody until it is back: customers are at the other's."""
    assert held(kind=kind).figures["rto_seconds"] == rto


def test_an_rto_that_was_missed_leaves_the_run_degraded(held: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeCustomers, "outage", 30.1)
    (reason,) = held().reasons
    assert "30.1 s: more than the 30 s of separuh:failover.rto_seconds" in reason


def test_a_lost_payment_is_no_survival(held: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paying, "audited", lambda *_: replace(AUDITED, lost=1))
    with pytest.raises(Undone, match="payments: 1 of 8 are gone"):
        held()
    assert [check.outcome for check in evidence(held.run).checks if check.name == "payments"] == ["failed"]


def test_a_probe_that_was_late_has_measured_nothing(held: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeCustomers, "void", "this machine was too busy to measure")
    with pytest.raises(Undone, match="measured: this machine was too busy"):
        held()
    assert evidence(held.run).rto.seconds is None


def test_an_estate_that_does_not_recover_is_given_back_and_told_of(held: Any, world: World) -> None:
    """The fault is lifted, the evidence kept, and it says so."""
    world.falling.heals = False
    failover = world.settings.failover
    world.settings = replace(world.settings)
    object.__setattr__(world.settings, "failover", replace(failover))
    object.__setattr__(world.settings.failover, "fault_seconds", 0)
    with pytest.raises(Undone, match="recovered: See it recover by itself: not reached within 0 s: no database"):
        held()
    assert not world.falling.down
    assert not evidence(held.run).proved


@pytest.mark.parametrize(("durability", "recovered"), [("strict", True), ("available", False)])
def test_where_nobody_may_pay_at_one_site_alone_a_leader_is_enough(
    held: Any,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    durability: Literal["available", "strict"],
    recovered: bool,
) -> None:
    """The fault is lifted then, and payments go on."""
    world.settings = replace(world.settings, database=replace(world.settings.database, durability=durability))
    object.__setattr__(world.settings, "failover", replace(world.settings.failover))
    object.__setattr__(world.settings.failover, "fault_seconds", 0)
    paid = paying.paid
    monkeypatch.setattr(
        paying, "paid", lambda run: dict.fromkeys(run.recall("gateways"), 3) if run.recall("leads") else paid(run)
    )
    with nullcontext() if recovered else pytest.raises(Undone, match="no payment is acknowledged"):
        held(kind="leader")
    assert bool(held.run.recall("recovered")) is recovered


def test_a_link_that_leaks_is_no_cut_link(held: Any, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    strike = next(step for step in drill.STEPS if step.title == "Strike")
    monkeypatch.setattr(drill, "STEPS", tuple(replace(s, within=0) if s is strike else s for s in drill.STEPS))
    world.falling.leaks = True
    with pytest.raises(Undone, match="one still reaches"):
        held(kind="link")
    assert not world.falling.cut


def test_sides_that_were_not_written_to_prove_nothing_about_two_leaders(held: Any) -> None:
    (reason,) = held(check_both="no").reasons
    assert "not proved that there were never two leaders" in reason
    assert evidence(held.run).verdict == "not compared"


def test_whoever_was_acknowledged_and_is_gone_is_named(held: Any, world: World) -> None:
    world.falling.heard = (
        '["route", "one/route/0/2", 1.0, 1.1, "00000001"]\n["route", "one/route/0/1", 1, 1, "00000001"]'
    )
    with pytest.raises(Undone, match="one_leader: acknowledged and gone: one/route/0/2"):
        held()


def test_a_run_that_goes_on_strikes_nothing_and_lifts_at_once(world: World) -> None:
    """Its runner died: the fault is over, and what was measured is gone."""
    run = run_in(world, RUNBOOK)
    run.arguments, run.resumed = {"kind": "site", "rate": "5"}, True
    for precheck in RUNBOOK.prechecks:
        precheck(run)
    *steps, judge = RUNBOOK.table(run)
    for step in steps:
        if not holds(step, run):
            step.do(run)
    with pytest.raises(NotVerified, match="struck: its runner died"):
        judge.do(run)
    assert not [line for line in world.done if " hold " in line]


# -- refused


def test_what_is_not_well_is_named_and_nothing_is_struck(held: Any, world: World) -> None:
    world.moving.silent.add("unit-wit-etcd-1")
    with pytest.raises(NotReady, match=r"nothing is struck now(.|\n)*unit-wit-etcd-1"):
        held()
    assert not world.done


def test_production_is_struck_by_name_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = replace(SETTINGS, production=True)
    carried: list[dict[str, Any]] = []

    def carry_out(*_: Any, **given: Any) -> Exit:
        carried.append(given)
        return Exit.DONE

    monkeypatch.setattr(drill, "settings_of", lambda _: settings)
    monkeypatch.setattr(drill, "open_stack", lambda _: (settings, None))
    monkeypatch.setattr(drill, "carry_out", carry_out)
    for confirm in ("", "yes", "prod"):
        with pytest.raises(NotReady, match="type the stack's name"):
            drill.failover("unit", "site", confirm=confirm, yes=True)
    assert not carried
    assert drill.failover("unit", "site", confirm="unit") == Exit.DONE
    assert drill.failover("unit", "site", plan=True) == Exit.DONE
    assert [given["plan"] for given in carried] == [False, True]


@pytest.mark.parametrize(
    ("kind", "direction", "said"),
    [
        ("fire", "", "no kind 'fire'"),
        ("site", "in", "--direction is of a link"),
        ("link", "up", "no direction 'up'"),
    ],
)
def test_nonsense_is_refused(monkeypatch: pytest.MonkeyPatch, kind: str, direction: str, said: str) -> None:
    monkeypatch.setattr(drill, "open_stack", lambda _: (SETTINGS, None))
    with pytest.raises(SeparuhError, match=said):
        drill.failover("unit", kind, direction)


# -- two leaders


def ack(at: float, timeline: int, key: str = "k", path: str = "route") -> Acknowledged:
    """Return a write that was acknowledged at that moment."""
    return Acknowledged(path, key, at - 0.01, at, f"{timeline:08X}")


def test_one_leader_after_another_is_no_second_one() -> None:
    heard = {
        "one": Heard([ack(1, 1), ack(2, 1)], [Refused("route", 1.7), Refused("route", 3), Refused("db-one", 4)]),
        "two": Heard([ack(1.5, 1), ack(30, 2), ack(31, 2, path="pooler")]),
    }
    verdict = compare(heard, {"one": 0.0, "two": 0.0}, [], "00000001", 1.8)
    assert (verdict.overlapping, verdict.lost, verdict.behind) == ([], [], 1)
    assert verdict.paths == [
        Way("one", "db-one", 0, 0, 1),
        Way("one", "route", 2, 0, 1),
        Way("two", "pooler", 1, 1, 0),
        Way("two", "route", 2, 1, 0),
    ]


def test_the_old_leader_that_acknowledges_beside_the_new_one_is_found() -> None:
    """By the clocks of the places, brought together; and by whatever path."""
    heard = {"one": Heard([ack(40, 1, "late")]), "two": Heard([ack(30, 2)])}
    late = compare(heard, {"one": 0.0, "two": 0.0}, [], "00000001", 1)
    assert late.overlapping == ["late at 10.000 s after the first of the new leader"]
    assert compare(heard, {"one": 15.0, "two": 0.0}, [], "00000001", 1).overlapping == []


def test_every_check_has_its_titles() -> None:
    assert all(len(titles) == 2 for titles in CHECKS.values())
