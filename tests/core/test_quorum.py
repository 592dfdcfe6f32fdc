"""The lease's keys in etcd, of which an answer may be lost on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from infra.settings import Place
from runbooks.core.command import Command
from runbooks.core.errors import CommandFailed
from runbooks.core.host import Estate
from runbooks.core.quorum import Etcd
from tests.core.fake import SETTINGS

KEY = "/separuh/unit/lease"


@dataclass
class Kept:
    """The members of an etcd: keys that all of them see, of which the first member's next answers are lost."""

    keys: dict[str, str] = field(default_factory=dict)
    lost: int = 0
    settings: Any = SETTINGS

    def member(self, place: Place, role: str) -> Member:
        """Return the member at a place."""
        return Member(self, place)


@dataclass
class Member:
    """One of them."""

    kept: Kept
    place: Place

    def ask(self, command: Command[Any]) -> Any:
        """Do as etcdctl does."""
        answer = self._answer(command)
        if self.kept.lost and self.place == SETTINGS.places[0]:
            self.kept.lost -= 1
            raise CommandFailed(command.argv, self.place.name, None, "did not end in time")
        return command.parse(answer)

    def _answer(self, command: Command[Any]) -> str:
        keys = self.kept.keys
        if command.stdin:
            won = KEY not in keys
            keys.setdefault(KEY, "mine" if '"mine"' in command.stdin else "another's")
            return f"{'SUCCESS' if won else 'FAILURE'}\n\nOK\n77\n"
        if "get" in command.argv:
            return keys.get(KEY, "")
        if "del" in command.argv:
            keys.pop(KEY, None)
        return ""


def etcd(kept: Kept) -> Etcd:
    return Etcd(cast("Estate", kept))


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_claim_whose_answer_was_lost_is_not_taken_for_anothers(lost: int) -> None:
    kept = Kept(lost=lost)
    assert etcd(kept).claim(KEY, "mine", 20) == "77"
    assert kept.keys == {KEY: "mine"}


def test_anothers_is_left_to_them() -> None:
    kept = Kept({KEY: "another's"}, lost=1)
    assert etcd(kept).claim(KEY, "mine", 20) is None
    assert kept.keys == {KEY: "another's"}
