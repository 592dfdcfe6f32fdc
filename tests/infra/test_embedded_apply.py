"""How a plan that fails in the middle is told: the cause first, then how far it came."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests
from docker.errors import APIError

from infra import embedded
from infra.embedded import ApplyFailed, apply
from infra.embedded_plan import Change, Plan
from infra.engines import Engines
from tests.infra.estate_of_three import settings


def chain(length: int) -> Plan:
    """Return a plan of changes each of which waits for the one before."""
    changes: list[Change] = []
    for n in range(1, length + 1):
        changes.append(
            Change(verb="create", kind="container", name=f"member-{n}", place="jkt", after=tuple(changes[-1:]))
        )
    return Plan(changes=tuple(changes))


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
    monkeypatch.setattr(Engines, "client", lambda *_: None)
    done: list[str] = []
    with pytest.raises(ApplyFailed) as failed:
        apply(chain(9), Engines(settings(tmp_path, "emb")), lambda change, _: done.append(change.name))
    assert done == [f"member-{n}" for n in range(1, 6)]
    assert str(failed.value).splitlines() == [
        cause,
        "Done before: create member-1, create member-2, create member-3 and 2 more; 4 of 9 changes are left. "
        "See to that place, then run the same again: it goes on from here",
    ]
