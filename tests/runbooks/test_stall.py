"""The limit without progress: what moves nothing is ended, what moves however slowly is left alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from infra.sections import Backup
from runbooks.adapters import processes
from runbooks.core.command import Command, Query, T
from runbooks.core.errors import CommandFailed, NotVerified
from runbooks.parts.copying import back_up
from tests.core.fake import SETTINGS
from tests.runbooks.fake import FakeMember, World
from tests.runbooks.test_copying import SITES, run_in

LIMIT = 1  # second
HUNG = replace(SETTINGS, backup=Backup(lock_days=21, stall_seconds=LIMIT))


class Hanging(World):
    """A world whose pgBackRest waits at the sites of `hang` until it is ended, or, where it `moves`, for `seconds`."""

    def __init__(self, *hang: str, moves: bool = False, unlocked: bool = False, seconds: float = 30) -> None:
        super().__init__(HUNG)
        self.lock = processes.UNLOCKED if unlocked else "{}"
        self.hang, self.moves, self.seconds = hang, moves, seconds
        self.moved, self.ended = count(), {site: threading.Event() for site in SITES}

    def member(self, place: Any, role: str, n: int = 1) -> FakeMember:
        return Hung(self, super().member(place, role, n).name)


class Hung(FakeMember):
    """A member of that world."""

    world: Hanging

    def ask(self, question: Command[T] | Query[T]) -> T:
        if isinstance(question, Command) and question.argv[2:3] == processes.moved("credit", 1, "r1").argv[2:3]:
            return question.parse(f"{self.world.lock}{next(self.world.moved) if self.world.moves else ''}")
        if isinstance(question, Command) and question.argv == processes.await_end(1, "r1", 1).argv:
            self._wait("one", question.argv)
        if isinstance(question, Command) and question.argv[0] == "sh":
            return question.parse("123" if question.argv[-1] == "1" and "two-backup" in self.name else "")
        return super().ask(question)

    def do(self, command: Command[Any], feed: Iterable[bytes] = ()) -> None:
        if command.argv[0] == "sh":
            self.world.ended[SITES[int(command.argv[-2]) - 1]].set()
            return
        if command.argv[-1] == "backup":
            site = SITES[int(next(word for word in command.argv if word.startswith("--repo="))[-1]) - 1]
            if site in self.world.hang:
                self._wait(site, command.argv)

    def _wait(self, site: str, argv: tuple[str, ...]) -> None:
        if self.world.ended[site].wait(self.world.seconds):
            raise CommandFailed(argv, self.name, 143, "terminated")


def test_a_store_that_takes_nothing_is_given_up_and_the_other_has_its_backup() -> None:
    """What ran for it has been ended, and the reason says after how long, where, and what next."""
    world = Hanging("one")
    run = run_in(world)
    back_up(run)
    assert world.ended["one"].is_set()
    assert not world.ended["two"].is_set()
    assert run.recall("sites") == ["two"]
    (reason,) = run.reasons
    assert reason.startswith(
        "one: no backup there: pgBackRest in unit-two-backup-1 moved nothing for 1 s (separuh:back"
    )
    assert "./inv status shows the store" in reason


@pytest.mark.thorough
def test_what_has_given_up_and_waits_for_its_workers_is_not_waited_for() -> None:
    """pgBackRest has let its lock go: its own words are the reason."""
    world = Hanging("one", unlocked=True)
    run = run_in(world)
    back_up(run)
    assert world.ended["one"].is_set()
    assert run.reasons[0].startswith("one: no backup there: pgBackRest ended with [143]: terminated")


@pytest.mark.thorough
def test_where_the_store_is_full_that_is_what_is_said() -> None:
    world = Hanging("one")
    world.rooms["one"]["state"] = ["exists", "full", "up"]
    run = run_in(world)
    back_up(run)
    assert "unit-one-store-1 is full: " in run.reasons[0]


@pytest.mark.thorough
def test_both_stores_that_take_nothing_leave_no_backup() -> None:
    world = Hanging(*SITES)
    with pytest.raises(NotVerified, match=r"(?s)one: .* moved nothing for .*two: .* moved nothing for"):
        back_up(run_in(world))
    assert all(ended.is_set() for ended in world.ended.values())


@pytest.mark.thorough
def test_a_store_that_is_slow_is_waited_for() -> None:
    """For longer than the limit, as long as anything moves."""
    world = Hanging("one", moves=True, seconds=2.5 * LIMIT)
    run = run_in(world)
    started = time.monotonic()
    back_up(run)
    assert time.monotonic() - started > 2 * LIMIT
    assert run.recall("sites") == list(SITES)
    assert not world.ended["one"].is_set()


def test_what_a_dead_runner_left_hanging_is_ended_too() -> None:
    """`one` hangs where the dead runner began it: it is ended, and begun no second time."""
    world = Hanging("one")
    run = run_in(world, resumed=True)
    back_up(run)
    assert world.ended["one"].is_set()
    assert run.recall("sites") == ["two"]
    assert "moved nothing" in run.reasons[0]
