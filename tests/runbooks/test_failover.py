"""What `failover` refuses by name, what it says may be lost, and what it does where not everything can be fenced."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from infra.sections import Dns
from runbooks.core.errors import NotReady, Undone
from runbooks.core.run import Run
from runbooks.failover import FENCE, RUNBOOK
from runbooks.parts import old_side, stricken
from tests.core.fake import SETTINGS
from tests.runbooks.fake import World
from tests.runbooks.fake_failover import Stricken
from tests.runbooks.fake_names import FakeNames
from tests.runbooks.test_every_runbook import carry_through, run_in, world_of

LOST = {"unit-one-db-1", "unit-one-etcd-1", "unit-wit-etcd-1"}


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stricken, "ELECTION", 0)


def world(folder: Path, **given: object) -> tuple[World, Stricken]:
    """Return a world whose estate is stricken as `given` says."""
    made = world_of(RUNBOOK, folder)
    made.stricken = Stricken(**given)  # type: ignore[arg-type]
    return made, made.stricken


def told(world: World) -> str:
    """Return all that the operator was told."""
    return world.console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


REFUSED: list[tuple[dict[str, object], str]] = [
    ({"off": {"unit-two-db-1", *LOST}}, "two has no database that answers"),
    ({"leads": True}, "two leads already"),
    ({"off": set()}, r"nothing is lost: .* ./inv switchover --to two"),
    ({"off": {"unit-wit-etcd-1"}}, "nothing is lost"),
    ({"off": {"unit-two-etcd-1", *LOST}}, "docker start unit-two-etcd-1"),
    ({"mute": {"one", "wit"}}, "--fenced one or --fenced wit"),
]


@pytest.mark.parametrize(("given", "named"), REFUSED, ids=[named for _, named in REFUSED])
def test_what_is_no_case_for_it_is_refused_and_nothing_is_changed(
    given: dict[str, object], named: str, tmp_path: Path
) -> None:
    made, _ = world(tmp_path, **given)
    with pytest.raises(NotReady, match=named):
        carry_through(made, RUNBOOK, tmp_path)
    assert not made.done


def test_only_a_place_that_is_given_up_can_be_fenced_by_a_word(tmp_path: Path) -> None:
    made, _ = world(tmp_path, mute={"one", "wit"})
    with pytest.raises(NotReady, match="--fenced two: the places that are given up are one and wit"):
        _carried_through(made, tmp_path, "two")


def test_where_nothing_can_be_fenced_it_acts_on_the_operators_word_and_says_what_hinges_on_it(tmp_path: Path) -> None:
    """Before anything is done, in the record, and at its end."""
    made, seen = world(tmp_path, mute={"one", "wit"})
    run = _carried_through(made, tmp_path, "wit")
    assert told(made).count("MAKE SURE that wit stays switched off") == 2
    assert run.figures["fenced"] == []
    assert set(run.figures["not_fenced"]) == {"unit-one-db-1", "unit-one-etcd-1", "unit-wit-etcd-1"}
    assert run.figures["sworn"] == ["wit"]
    assert seen.leads
    assert not any("/service/credit/leader" in line for line in made.done), "its Patroni may lead by right"


def _carried_through(made: World, folder: Path, fenced: str) -> Run:
    arguments = {"to": "two", "fenced": fenced}
    before: Callable[[Run], None] = lambda run: setattr(run, "arguments", arguments)  # noqa: E731
    return carry_through(made, replace(RUNBOOK, prechecks=(before, *RUNBOOK.prechecks)), folder)


def test_what_may_be_lost_is_told_also_where_a_word_is_wanted_first(tmp_path: Path) -> None:
    made, _ = world(tmp_path, mute={"one", "wit"})
    with pytest.raises(NotReady, match="--fenced one or --fenced wit"):
        carry_through(made, RUNBOOK, tmp_path)
    assert "two was in sync" in told(made)


def test_a_quorum_that_came_back_meanwhile_is_left_alone(tmp_path: Path) -> None:
    """As where a dead run is finished on an estate that is well again: its leader is not stopped."""
    made, seen = world(tmp_path)
    back: Callable[[Run], None] = lambda _: seen.off.clear()  # noqa: E731
    with pytest.raises(Undone, match="there is a quorum again"):
        carry_through(made, replace(RUNBOOK, prechecks=(*RUNBOOK.prechecks, back)), tmp_path)
    assert not made.done
    assert not seen.off


@pytest.mark.parametrize(
    ("alone", "fenced", "sworn", "enough"),
    [
        (True, [], "", False),
        (True, ["unit-one-db-1"], "", False),
        (True, [], "wit", True),
        (False, [], "", True),
    ],
)
def test_nothing_fenced_is_no_fence_when_a_dead_run_is_finished(
    alone: bool, fenced: list[str], sworn: str, enough: bool, tmp_path: Path
) -> None:
    """Unless there is a quorum, or somebody's word: two sites could lead."""
    made, _ = world(tmp_path)
    run = run_in(made, RUNBOOK)
    run.arguments = {"to": "two", "fenced": sworn}
    run.remember("alone", alone)
    run.remember("fenced", fenced)
    assert old_side.is_fenced(run) is enough


def test_one_vote_set_aside_is_enough(tmp_path: Path) -> None:
    """Without a word: what the other place has is no majority any more."""
    made, seen = world(tmp_path, mute={"one"})
    run = carry_through(made, RUNBOOK, tmp_path)
    assert seen.barred == {"unit-wit-etcd-1"}
    assert "MAKE SURE" not in told(made)
    assert any("unit-one-db-1 was not fenced: its engine does not answer" in reason for reason in run.reasons)


def test_the_way_to_a_database_that_cannot_be_stopped_is_closed(tmp_path: Path) -> None:
    made, seen = world(tmp_path, stubborn={"unit-one-db-1"})
    run = carry_through(made, RUNBOOK, tmp_path)
    assert {"unit-one-pooler-1", "unit-one-gateway-1"} <= seen.off
    assert "unit-one-db-1" in run.figures["not_fenced"]


@pytest.mark.parametrize(
    ("given", "said", "lost"),
    [
        ({}, "two was in sync", False),
        ({"synchronous": False, "said_last": 0x5000100}, "two WAS NOT IN SYNC: what was acknowledged after", True),
    ],
)
def test_what_may_be_lost_is_told_and_kept(given: dict[str, object], said: str, lost: bool, tmp_path: Path) -> None:
    made, seen = world(tmp_path, **given)
    figures = carry_through(made, RUNBOOK, tmp_path).figures
    assert said in told(made)
    assert figures["may_be_lost"] is lost
    assert figures["behind_bytes"] == seen.said_last - 0x5000000


def test_with_a_quorum_patroni_is_asked_and_no_vote_is_touched(tmp_path: Path) -> None:
    """The leader hangs: its database is stopped, and that is all."""
    made, seen = world(tmp_path, off={"unit-one-db-1"})
    run = run_in(made, RUNBOOK)
    run.notes["alone"] = False
    carry_through(made, RUNBOOK, tmp_path)
    assert not seen.barred
    assert not seen.alone
    assert len(RUNBOOK.table(run)) == len(RUNBOOK.table(run_in(made, RUNBOOK))) - 2


def test_what_was_set_aside_is_given_back(tmp_path: Path) -> None:
    """The copy cannot be made: nothing is as it was not before."""
    made, seen = world(tmp_path)
    made.fails, made.fails_at = "/service/credit/leader", "two"
    with pytest.raises(Undone):
        carry_through(made, RUNBOOK, tmp_path)
    assert not seen.barred
    assert not seen.alone


def test_a_run_that_was_left_is_named_and_forgotten(tmp_path: Path) -> None:
    made, _ = world(tmp_path, head="20260101T000000Z-switchover-0")
    carry_through(made, RUNBOOK, tmp_path)
    assert "run 20260101T000000Z-switchover-0 was left unfinished, and is forgotten" in told(made)
    assert any("/separuh/unit/head" in line for line in made.done)


def test_with_strict_durability_nobody_is_let_in_before_a_standby_is_there(tmp_path: Path) -> None:
    settings = replace(SETTINGS, database=replace(SETTINGS.database, durability="strict"))
    made, _ = world(tmp_path)
    made.settings = settings
    run = carry_through(made, RUNBOOK, tmp_path)
    assert any("durability is strict" in reason for reason in run.reasons)
    assert not any("pg_logical_emit_message" in line and "pooler" in line for line in made.done)


@pytest.mark.parametrize("silent", [False, True])
def test_a_name_that_cannot_be_moved_keeps_no_site_from_leading(silent: bool, tmp_path: Path) -> None:
    """It is told before, in the record and in the end; all else is done."""
    made, seen = world(tmp_path)
    made.settings = replace(SETTINGS, dns=Dns(zone="Z1", name="pay.example"))
    made.names = FakeNames({"one": {"Failover": "PRIMARY"}, "two": {"Failover": "SECONDARY"}}, silent)
    run = carry_through(made, RUNBOOK, tmp_path)
    assert seen.leads
    assert made.names.records["two"]["Failover"] == ("SECONDARY" if silent else "PRIMARY")
    assert ("the name stays as it is" in told(made)) is silent
    assert any("Point the name at the site" in reason for reason in run.reasons) is silent


def test_the_fence_can_be_taken_back() -> None:
    assert FENCE.undo
    assert not FENCE.point_of_no_return
