"""What the cluster's members share, against the config: which differences are seen, said and set."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from infra import cluster
from infra.settings import Settings
from runbooks.adapters import patroni, postgres
from runbooks.core.command import Command, Query
from runbooks.core.errors import NotReady
from runbooks.parts import shared
from tests.infra.test_settings import lab


class Leader:
    """A leader whose cluster shares `values`; keeps in `did` what was done, in order."""

    def __init__(self, values: dict[str, Any], gets_in: bool = True) -> None:
        self.values, self.gets_in, self.did = values, gets_in, list[Any]()

    def ask(self, question: Command[Any] | Query[Any]) -> Any:
        """Answer as Patroni does, and its database."""
        if isinstance(question, Query):
            assert question.sql == postgres.rewind_gets_in().sql
            return self.gets_in
        assert question.argv == patroni.shared().argv
        return json.loads(json.dumps(self.values))

    def do(self, command: Command[Any]) -> None:
        """Keep what is set."""
        self.did.append(json.loads(command.stdin) if command.stdin else command.argv[-1])

    @contextmanager
    def holding(self, *_: object) -> Iterator[None]:
        """Hold the lease."""
        self.did.append("lease")
        yield
        self.did.append("release")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A stack's config."""
    return lab(tmp_path)


def settled(
    settings: Settings, member: Leader | None, monkeypatch: pytest.MonkeyPatch, planning: bool = False
) -> list[str]:
    """Settle and return the lines said."""

    def leader(_: object) -> Leader:
        if member is None:
            raise NotReady("no database takes writes now")
        return member

    monkeypatch.setattr(shared, "leader", leader)
    if member:
        monkeypatch.setattr(shared, "holding", member.holding)
    console = Console(record=True, width=200)
    shared.settle(settings, None, planning, console)  # type: ignore[arg-type]
    return console.export_text().splitlines()


def test_a_cluster_that_is_as_declared_is_left_alone(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    member = Leader({**cluster.shared(settings), "pause": False})
    assert settled(settings, member, monkeypatch) == []
    assert member.did == []


def test_what_differs_is_said_and_set_under_the_lease(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    found = json.loads(json.dumps(cluster.shared(settings)))
    found["ttl"] = 30
    del found["postgresql"]["parameters"]["max_connections"]
    member = Leader(found)
    assert settled(settings, member, monkeypatch) == [
        "cluster: ttl 30 -> 20",
        "cluster: postgresql.parameters.max_connections None -> 100 (at PostgreSQL's next restart)",
    ]
    assert member.did == ["lease", cluster.shared(settings), "release"]


def test_a_cluster_that_was_made_before_lets_pg_rewind_in(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """And does not wait for a standby with it, which could not come back without."""
    member = Leader({**cluster.shared(settings), "pause": False}, gets_in=False)
    (said,) = settled(settings, member, monkeypatch)
    assert "pg_rewind gets a connection" in said
    assert member.did == [
        "lease",
        "SET synchronous_commit = local; GRANT pg_use_reserved_connections TO rewind",
        "release",
    ]


def test_a_plan_says_it_and_sets_nothing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    member = Leader({**cluster.shared(settings), "ttl": 30})
    assert settled(settings, member, monkeypatch, planning=True) == ["cluster: ttl 30 -> 20"]
    assert member.did == []


def test_only_a_plan_can_be_made_without_a_leader(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert settled(settings, None, monkeypatch, planning=True) == []
    with pytest.raises(NotReady):
        settled(settings, None, monkeypatch)
