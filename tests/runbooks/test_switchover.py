"""What `switchover` refuses by name, and how it ends when the leader, a gate or Patroni does not do as it should."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from infra.sections import Dns
from runbooks import switchover
from runbooks.core.errors import Failed, NotReady, SeparuhError, Undone
from runbooks.core.run import Run
from runbooks.parts import moving
from runbooks.switchover import RUNBOOK, STEPS, _goal
from tests.core.fake import SETTINGS
from tests.runbooks.fake import World
from tests.runbooks.fake_move import SESSION
from tests.runbooks.fake_names import FakeNames
from tests.runbooks.test_every_runbook import carry_through, run_in


def paused(world: World) -> None:
    world.moving.patroni_paused = True


def asynchronous(world: World) -> None:
    world.moving.role = "replica"


def idle(world: World) -> None:
    world.answers["pg_stat_activity"] = [(*SESSION, "3.5", "3.1")]


def long(world: World) -> None:
    world.answers["pg_stat_activity"] = [(*SESSION, "61", None)]


def lagging(world: World) -> None:
    world.answers["pg_last_wal_receive_lsn() ="] = [("t", "42")]


def unarchived(world: World) -> None:
    world.answers["pg_stat_archiver"] = [("3", "90", "16777216", "", "", "0", "t")]


def without_witness(world: World) -> None:
    world.moving.silent.add("unit-wit-etcd-1")


def without_quorum(world: World) -> None:
    world.moving.voterless.add("two")


def without_pooler(world: World) -> None:
    world.moving.silent.add("unit-two-pooler-1")


def pooler_paused(world: World) -> None:
    world.moving.held.add("one")


def without_route(world: World) -> None:
    world.moving.unreached.add("two")


def without_gateway(world: World) -> None:
    world.moving.silent.add("unit-one-api-1")


def full(world: World) -> None:
    world.free["db"] = 5 << 20


REFUSED: list[tuple[Callable[[World], None], str]] = [
    (paused, "Patroni is paused"),
    (asynchronous, "unit-two-db-1 is a replica, not in sync"),
    (idle, r"session 4711 of credit \(psql\) from 10.0.0.9 in credit is idle in its transaction for 3 s"),
    (long, "session 4711 .* has been in a transaction for 61 s"),
    (lagging, "unit-two-db-1 replays 42 s behind"),
    (unarchived, "unit-one-db-1 archives 90 s behind"),
    (without_witness, "unit-wit-etcd-1 is not running"),
    (without_quorum, "unit-two-etcd-1 knows no leader"),
    (without_pooler, "unit-two-pooler-1 is not running"),
    (pooler_paused, "unit-one-pooler-1 is paused"),
    (without_route, "unit-two-route-1 leads to no leader, .*: connection refused"),
    (without_gateway, "unit-one-gateway-1 does not lead to a service"),
    (full, "unit-two-db-1: 5 MiB free"),
]


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runbooks.parts.movable.CATCHING_UP", 0)


@pytest.mark.parametrize(("spoil", "named"), REFUSED, ids=lambda value: getattr(value, "__name__", ""))
def test_what_is_not_well_is_named_and_nothing_is_changed(
    spoil: Callable[[World], None], named: str, tmp_path: Path
) -> None:
    world = World()
    spoil(world)
    with pytest.raises(NotReady, match=named):
        carry_through(world, RUNBOOK, tmp_path)
    assert not world.done


def test_all_that_is_not_well_is_named_at_once(tmp_path: Path) -> None:
    """Not one a try."""
    world = World()
    for spoil in (paused, idle, without_witness):
        spoil(world)
    with pytest.raises(NotReady) as refused:
        carry_through(world, RUNBOOK, tmp_path)
    assert all(words in str(refused.value) for words in ("Patroni is paused", "session 4711", "unit-wit-etcd-1"))


def test_the_site_that_leads_is_no_goal(tmp_path: Path) -> None:
    world = World()
    world.moving.leads, world.moving.follows = "two", "one"
    run = run_in(world, RUNBOOK)
    run.arguments = {"to": "two"}
    with pytest.raises(NotReady, match="two leads already"):
        RUNBOOK.prechecks[0](run)


def test_the_good_day_is_told_in_figures(tmp_path: Path) -> None:
    """From where to where, and how long each site's payments were held."""
    run = carry_through(World(), RUNBOOK, tmp_path)
    assert run.figures == {
        "from": "one",
        "to": "two",
        "held_seconds": {"one": 0.7, "two": 0.7},
        "quiet_seconds": {"one": 0.1, "two": 0.1},
    }


def test_patronis_refusal_takes_the_gates_away(tmp_path: Path) -> None:
    """Nothing was moved, and the message has Patroni's words."""
    world = World()
    world.moving.refuses = True
    with pytest.raises(Undone, match="no good candidates"):
        carry_through(world, RUNBOOK, tmp_path)
    assert world.moving.leads == "one"
    assert not world.moving.gates


def test_a_move_that_has_begun_is_not_taken_back(tmp_path: Path) -> None:
    """The leader stops, and the runner is interrupted: only forward is safe, and it says so."""
    world = World()

    def interrupted(run: Run) -> bool:
        if world.moving.leads == "two":
            raise KeyboardInterrupt
        return False

    steps = tuple(replace(step, verify=interrupted) if step.do is moving.hand_over else step for step in STEPS)
    with pytest.raises(Failed, match="had begun to stop"):
        carry_through(world, replace(RUNBOOK, steps=steps), tmp_path)
    assert world.moving.leads == "two"
    assert not world.moving.held


def test_payments_that_are_held_are_not_let_go_to_no_leader(tmp_path: Path) -> None:
    """The gates end by themselves when there is one; the standby is not sent to its archive either."""
    world = World()

    def interrupted(run: Run) -> bool:
        if world.moving.leads == "two":
            world.moving.held = {"one", "two"}
            for gate in world.moving.gates.values():
                gate["state"] = "holding"
            raise KeyboardInterrupt
        return False

    steps = tuple(replace(step, verify=interrupted) if step.do is moving.hand_over else step for step in STEPS)
    with pytest.raises(Failed, match="had begun to stop"):
        carry_through(world, replace(RUNBOOK, steps=steps), tmp_path)
    assert world.moving.held == {"one", "two"}
    assert not [line for line in world.undone if "dismiss" in line or "/spool/complete" in line]


def test_a_leader_that_tells_nobody_leaves_the_run_degraded(tmp_path: Path) -> None:
    """The hook failed: the leader moved, and the run says what it was without."""
    world = World()
    world.moving.told = False
    run = carry_through(world, RUNBOOK, tmp_path)
    assert [reason.split(":")[0] for reason in run.reasons] == ["one", "two"]
    assert "without a word" in run.reasons[0]


def test_a_name_follows_the_leader_where_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its record is the primary one then; no other stack has that step."""
    settings = replace(SETTINGS, dns=Dns(zone="Z1", name="pay.example"))
    world = World(settings)
    records = {"one": {"Failover": "PRIMARY"}, "two": {"Failover": "SECONDARY"}}
    world.names = FakeNames(records)
    carry_through(world, RUNBOOK, tmp_path)
    assert world.names.records == {"one": {"Failover": "SECONDARY"}, "two": {"Failover": "PRIMARY"}}
    assert len(RUNBOOK.table(run_in(World(), RUNBOOK))) == len(RUNBOOK.table(run_in(world, RUNBOOK))) - 1


def test_one_goal_is_named(tmp_path: Path) -> None:
    """Neither none nor two."""
    settings = World().settings
    for to, back in (("", False), ("two", True)):
        with pytest.raises(SeparuhError, match="--to one or two, or --back"):
            _goal(settings, to, back)


def test_the_way_back_is_that_of_the_last_move_that_was_not_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    moves = [("done", "one"), ("degraded", "two"), ("undone", "one")]
    records = [
        SimpleNamespace(runbook=RUNBOOK.name, outcome=outcome, figures={"from": site}, baseline=None)
        for outcome, site in moves
    ]
    monkeypatch.setattr(switchover, "Ledger", lambda *_: SimpleNamespace(all=lambda: records))
    assert _goal(World().settings, "", True) == "two"
