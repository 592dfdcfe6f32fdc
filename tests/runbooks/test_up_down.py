"""What `up` and `down` decide: which engine acts, under which lease, and how it ends when that engine fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from infra import embedded, pins, pulumi_engine
from infra.choice import EMBEDDED, PULUMI, Choice
from infra.embedded_objects import Refused
from infra.pulumi_engine import PulumiFailed
from infra.settings import Settings
from runbooks import down, up
from runbooks.core import account
from runbooks.core.errors import Exit, Failed, LeaseHeld, NotReady
from runbooks.core.ledger import Ledger, Record
from tests.infra.test_settings import lab

CLI = Path("/opt/bin/pulumi")
PLACES = ("jkt", "sby", "bdg")


class World:
    """Keeps in `did` what was asked of the engines, in order; `fails` is what Pulumi's raises."""

    def __init__(self, settings: Settings, made_by: str = PULUMI, silent: tuple[str, ...] = ()) -> None:
        self.settings, self.made_by, self.silent = settings, made_by, silent
        self.did: list[str] = []
        self.fails: Exception | None = None
        self.held_by_another = False

    places = PLACES

    def __enter__(self) -> World:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def answering(self, warn: Callable[[str], None]) -> tuple[str, ...]:
        """Warn of each silent place."""
        for place in self.silent:
            warn(f"{place} is silent")
        return tuple(place for place in PLACES if place not in self.silent)

    @contextmanager
    def holding(self, settings: Settings, secrets: object, verb: str) -> Iterator[None]:
        """Hold the lease."""
        if self.held_by_another:
            raise LeaseHeld("another")
        self.did.append("lease")
        try:
            yield
        finally:
            self.did.append("release")

    def act(self, what: str) -> Callable[..., Any]:
        """Return what writes down that it was called, with the places it was called for."""

        def done(*_: object, only: tuple[str, ...] = (), role: str = "all", **__: object) -> list[str]:
            self.did.append(" ".join((what, *([role] if role != "all" else []), *only)))
            if self.fails and what.startswith("pulumi"):
                raise self.fails
            return []

        return done

    def choose(self, engines: object, say: object, only: object = ()) -> Choice:
        """Choose the engine that made the stack."""
        return Choice(self.made_by, "it made this stack", CLI if self.made_by == PULUMI else None)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A stack that Pulumi made and whose places all answer."""
    made = World(lab(tmp_path))
    for module in (up, down):
        monkeypatch.setattr(module, "settings_of", lambda stack: made.settings)
        monkeypatch.setattr(module, "Engines", lambda settings: made)
        monkeypatch.setattr(module, "ensure", lambda say: None)
        monkeypatch.setattr(module, "choose", made.choose)
        monkeypatch.setattr(module, "holding", made.holding)
        monkeypatch.setattr(module, "say", made.did.append)
        for verb in ("up", "preview", "down"):
            monkeypatch.setattr(pulumi_engine, verb, made.act(f"pulumi {verb}"))
    monkeypatch.setattr(pulumi_engine, "start_stopped", lambda engines, only: ["lab-jkt-api-1"])
    prepared = SimpleNamespace(secrets=None, pins={})
    monkeypatch.setattr(up, "prepare", lambda engines, root, say, only: prepared)
    monkeypatch.setattr(up, "foresee", lambda engines, root: prepared)
    monkeypatch.setattr(account, "ROOT", tmp_path)
    monkeypatch.setattr(down, "ROOT", tmp_path)
    monkeypatch.setattr(up, "take_along", lambda settings, secrets: None)
    monkeypatch.setattr(up, "await_serving", made.act("wait"))
    monkeypatch.setattr(up, "settle", lambda settings, secrets, plan, console: made.act(f"settle {plan=}")())
    monkeypatch.setattr(up, "_embedded", made.act("embedded up"))
    monkeypatch.setattr(up, "_declared", lambda *_: [])
    monkeypatch.setattr(up, "refuse_losses", lambda declared, engines, only: None)
    monkeypatch.setattr(down, "open_stack", lambda stack: (made.settings, None))
    monkeypatch.setattr(down, "maker", lambda engines, only: made.made_by)
    monkeypatch.setattr(embedded, "down", made.act("embedded down"))
    return made


def brought_up(site: str = "", plan: bool = False) -> Exit | None:
    return up.up("lab", site, plan, yes=False)


def taken_down(volumes: bool = False, confirm: str = "") -> Exit:
    return down.down("lab", volumes, confirm, plan=False)


def recorded(tmp_path: Path) -> list[Record]:
    return Ledger(tmp_path, "lab").all()


def test_up_and_down_leave_a_timed_record_each(world: World, tmp_path: Path) -> None:
    brought_up()
    taken_down()
    second, first = sorted(recorded(tmp_path), key=lambda record: record.runbook)
    assert (first.runbook, first.outcome) == ("up", "done")
    assert [(step.title, step.stage, step.outcome) for step in first.steps] == [
        ("Prepare secrets and images", "plan", "done"),
        ("Bring about what is declared", "implement", "done"),
        ("Wait until the stack serves", "test", "done"),
        ("Hold the cluster to the config", "implement", "done"),
    ]
    assert (second.runbook, second.outcome) == ("down", "done")
    assert [step.title for step in second.steps] == ["Remove containers and networks"]


@pytest.mark.parametrize(("volumes", "kept"), [(False, True), (True, False)])
def test_pins_go_with_the_data_of_the_members_they_are_of(
    world: World, tmp_path: Path, volumes: bool, kept: bool
) -> None:
    pinned = pins.pins_file(world.settings, tmp_path)
    pinned.parent.mkdir(parents=True)
    pinned.write_text("lab-jkt-db-1: separuh-database:1")
    taken_down(volumes, confirm="lab")
    assert pinned.exists() is kept


def test_an_up_that_fails_in_the_middle_is_recorded_as_failed(world: World, tmp_path: Path) -> None:
    world.fails = PulumiFailed("exited 255")
    with pytest.raises(Failed):
        brought_up()
    (record,) = recorded(tmp_path)
    assert record.outcome == "failed"
    assert [step.outcome for step in record.steps] == ["done", "failed"]


@pytest.mark.parametrize("verb", [brought_up, taken_down])
def test_what_is_refused_leaves_no_record(world: World, tmp_path: Path, verb: Callable[[], object]) -> None:
    world.held_by_another = True
    with pytest.raises(LeaseHeld):
        verb()
    brought_up(plan=True)
    assert recorded(tmp_path) == []


def test_a_down_that_left_a_place_is_recorded_as_degraded(world: World, tmp_path: Path) -> None:
    world.silent = ("sby",)
    taken_down()
    (record,) = recorded(tmp_path)
    assert record.outcome == "degraded"
    assert record.reasons == ("sby: not taken down, as its engine does not answer",)


def test_up_under_pulumi_holds_the_lease_and_starts_what_was_stopped_first(world: World) -> None:
    brought_up()
    assert world.did == ["lease", "started lab-jkt-api-1", "pulumi up", "release", "wait", "settle plan=False"]


def test_up_of_one_site_touches_that_site(world: World) -> None:
    brought_up(site="sby")
    assert "pulumi up sby" in world.did


def test_a_plan_takes_no_lease_starts_nothing_and_waits_for_nothing(world: World) -> None:
    assert brought_up(plan=True) == Exit.DONE
    assert world.did == ["pulumi preview", "settle plan=True"]


@pytest.mark.parametrize("plan", [False, True])
def test_what_would_take_stateful_members_of_two_places_is_refused_before_pulumi_acts(
    world: World, plan: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise Refused("stateful members in more than one place")

    monkeypatch.setattr(up, "refuse_losses", refuse)
    with pytest.raises(Refused):
        brought_up(plan=plan)
    assert world.did == []


def test_what_the_embedded_engine_made_pulumi_does_not_touch(world: World) -> None:
    world.made_by = EMBEDDED
    brought_up()
    taken_down()
    assert not [line for line in world.did if "pulumi" in line]


@pytest.mark.parametrize("verb", [brought_up, taken_down])
def test_pulumi_failing_in_the_middle_is_a_failure_and_gives_the_lease_back(
    world: World, verb: Callable[[], object]
) -> None:
    world.fails = PulumiFailed("pulumi up exited 255; the same again goes on from there")
    with pytest.raises(Failed, match="the same again goes on from there"):
        verb()
    assert world.did[-1] == "release"
    assert Failed.exit == 4


@pytest.mark.parametrize("verb", [brought_up, taken_down])
def test_neither_touches_anything_while_another_run_holds_the_lease(world: World, verb: Callable[[], object]) -> None:
    world.held_by_another = True
    with pytest.raises(LeaseHeld):
        verb()
    assert world.did == []


def test_down_lets_pulumi_destroy_what_it_made_and_then_removes_what_it_kept(world: World) -> None:
    assert taken_down(volumes=True, confirm="lab") == Exit.DONE
    assert world.did == ["lease", "embedded down drill", "pulumi down", "embedded down", "release"]


def test_down_of_a_stack_whose_secrets_are_lost_goes_on_without_the_lease(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(stack: str) -> None:
        raise NotReady("no secrets in this clone")

    monkeypatch.setattr(down, "open_stack", lost)
    assert taken_down() == Exit.DONE
    assert world.did[0] == "no secrets in this clone. Going on without the lease"
    assert world.did[1:] == ["embedded down drill", "pulumi down", "embedded down"]


def test_down_goes_on_without_a_silent_place_and_says_what_is_left(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.silent = ("sby",)
    assert taken_down() == Exit.DEGRADED
    assert world.did[:3] == ["sby is silent", "lease", "embedded down drill jkt bdg"]
    assert world.did[3:] == ["pulumi down jkt bdg", "embedded down jkt bdg", "release"]
    said = capsys.readouterr().out
    assert "sby: not taken down" in said
    assert "./inv down --stack lab removes what is left there" in said


def test_down_without_any_answer_removes_nothing(world: World) -> None:
    world.silent = PLACES
    with pytest.raises(NotReady, match="nothing was removed"):
        taken_down()
    assert "lease" not in world.did


@pytest.mark.parametrize("typed", ["", "another"])
def test_data_goes_only_when_the_stacks_name_is_typed(
    world: World, typed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    with pytest.raises(NotReady, match="--confirm lab"):
        taken_down(volumes=True, confirm=typed)
    assert world.did == []
