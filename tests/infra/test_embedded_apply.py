"""How a plan that fails in the middle is told: the cause first, then how far it came."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import requests
from docker.errors import APIError

from infra import embedded
from infra.embedded import ApplyFailed, apply
from infra.embedded_change import HeldByNothing
from infra.embedded_plan import Change, Plan
from infra.engines import Engines
from tests.infra.estate_of_three import settings

BUSY = APIError("403", explanation="network lan has active endpoints")


def chain(length: int) -> Plan:
    """Return a plan of changes each of which waits for the one before."""
    changes: list[Change] = []
    for n in range(1, length + 1):
        changes.append(
            Change(verb="create", kind="container", name=f"member-{n}", place="jkt", after=tuple(changes[-1:]))
        )
    return Plan(changes=tuple(changes))


@pytest.fixture(autouse=True)
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is asked of an engine."""
    monkeypatch.setattr(Engines, "client", lambda *_: None)


def failing(planned: Plan, root: Path) -> tuple[list[str], str]:
    """Carry a plan out that fails; return the names of what was done, and what is said."""
    done: list[str] = []
    with pytest.raises(ApplyFailed) as failed:
        apply(planned, Engines(settings(root, "emb")), lambda change, _: done.append(change.name))
    return done, str(failed.value)


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (
            APIError("500", explanation="no space left on device"),
            "jkt: create container member-6: the engine says: no space left on device",
        ),
        (
            requests.ConnectionError("refused"),
            "jkt: create container member-6: the engine went away or did not answer (ConnectionError: refused)",
        ),
    ],
)
def test_the_cause_comes_first_and_a_few_names_are_enough(
    error: Exception, cause: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(change: Change, client: Any) -> None:
        if change.name == "member-6":
            raise error

    monkeypatch.setattr(embedded, "make", make)
    done, said = failing(chain(9), tmp_path)
    assert done == [f"member-{n}" for n in range(1, 6)]
    assert said.splitlines() == [
        cause,
        "Done before: create member-1, create member-2, create member-3 and 2 more; 4 of 9 changes are left. "
        "See to that place, then run the same again: it goes on from here",
    ]


def test_what_an_engine_will_not_let_go_keeps_only_what_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network that a container of somebody else is on: the volumes go all the same."""

    def make(change: Change, client: Any) -> None:
        if change.name == "lan":
            raise BUSY

    member = Change(verb="discard", kind="container", name="member", place="jkt")
    rest = [
        Change(verb="discard", kind=kind, name=name, place="jkt", after=(member,))
        for kind, name in (("network", "lan"), ("network", "link"), ("volume", "data"))
    ]
    waits = Change(verb="create", kind="container", name="anew", place="jkt", after=tuple(rest))
    monkeypatch.setattr(embedded, "make", make)
    done, said = failing(Plan(changes=(member, *rest, waits)), tmp_path)
    assert sorted(done) == ["data", "link", "member"]
    first, second = said.splitlines()
    assert first == "jkt: discard network lan: the engine says: network lan has active endpoints"
    assert "2 of 5 changes are left" in second


def test_a_network_held_by_nothing_stays_and_that_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was to come after it is done; it is told by name, with what helps, and is not among what was removed."""

    def make(change: Change, client: Any) -> None:
        if change.name == "lan":
            raise HeldByNothing(BUSY)

    lan = Change(verb="remove", kind="network", name="lan", place="jkt")
    after = Change(verb="remove", kind="network", name="link", place="", after=(lan,))
    monkeypatch.setattr(embedded, "make", make)
    done: list[str] = []
    (said,) = apply(
        Plan(changes=(lan, after)),
        Engines(settings(tmp_path, "emb")),
        lambda change, _: done.append(change.name),
    )
    assert done == ["link"]
    assert said.startswith("jkt: network lan stays, with nothing on it")
    assert "restart the engine" in said


def test_a_network_held_by_nothing_cannot_be_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def make(change: Change, client: Any) -> None:
        raise HeldByNothing(BUSY)

    monkeypatch.setattr(embedded, "make", make)
    _, said = failing(Plan(changes=(Change(verb="replace", kind="network", name="lan", place="jkt"),)), tmp_path)
    assert "has active endpoints, though no container is on it: restart the engine" in said


def test_an_engine_that_is_gone_is_asked_for_nothing_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def make(change: Change, client: Any) -> None:
        asked.append(change.name)
        time.sleep(0.01)
        raise requests.ConnectionError("refused")

    monkeypatch.setattr(embedded, "make", make)
    changes = tuple(Change(verb="remove", kind="container", name=f"member-{n}", place="jkt") for n in range(50))
    failing(Plan(changes=changes), tmp_path)
    assert len(asked) < len(changes), "what was under way ends, and that is all"
