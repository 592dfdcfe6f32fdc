"""What backing up does with what it meets: a leader that has just moved, and what a dead runner left running."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runbooks.adapters import pgbackrest, processes
from runbooks.backup import expire
from runbooks.core.command import Command, Query, T
from runbooks.core.errors import CommandFailed, NotVerified
from runbooks.core.run import Run
from runbooks.parts.copying import EXPIRING, back_up, end_backups
from tests.runbooks.fake import FakeMember, World

AFTER_PROMOTION = (pgbackrest.NO_PRIMARY, pgbackrest.OTHER_TIMELINE)
SITES = ("one", "two")
TWO_CODES = st.lists(st.sampled_from((0, *AFTER_PROMOTION, 82)), min_size=2, max_size=2)


class Met(World):
    """A world whose pgBackRest ends with the next of `codes` by site, 0 for a backup; `left` still runs by site."""

    def __init__(self, codes: dict[str, list[int]], left: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.codes, self.left, self.happened = codes, left, list[str]()

    def member(self, place: Any, role: str, n: int = 1) -> FakeMember:
        found = super().member(place, role, n)
        return Meeting(self, found.name)


class Meeting(FakeMember):
    """A member of that world."""

    world: Met

    def ask(self, question: Command[T] | Query[T]) -> T:
        if isinstance(question, Query) or question.argv[0] != "sh":
            return super().ask(question)
        site = SITES[int(question.argv[-1]) - 1]
        if question.argv == processes.await_expiry(SITES.index(site) + 1, EXPIRING).argv:
            self.world.happened.append(f"{self.name} waited for {site}")
            return question.parse("")
        return question.parse("123" if site in self.world.left and self.name.endswith("two-backup-1") else "")

    def do(self, command: Command[Any], feed: Iterable[bytes] = ()) -> None:
        if command.argv[-1] == "CHECKPOINT":
            self.world.happened.append("checkpoint")
        elif command.argv[0] == "sh":
            self.world.happened.append(f"ended {SITES[int(command.argv[-2]) - 1]}")
        elif command.argv[-1] == "expire":
            self.world.happened.append(f"{self.name} expired {_repository(command)}")
        elif command.argv[-1] == "backup":
            site = _repository(command)
            code = self.world.codes[site].pop(0)
            self.world.happened.append(f"{site} {code}")
            if code:
                raise CommandFailed(command.argv, self.name, code, f"ERROR: [{code:03}]: said so")


def run_in(world: World, **state: Any) -> Run:
    """Return a run that is to back up both sites of `world`."""
    estate: Any = world
    notes = {"sites": list(SITES), "kinds": dict.fromkeys(SITES, "full"), "leader": "unit-one-db-1"}
    return Run("r1", "backup", world.settings, None, estate, notes=notes, **state)  # type: ignore[arg-type]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(codes=st.fixed_dictionaries(dict.fromkeys(SITES, TWO_CODES)))
def test_after_a_promotion_it_begins_again_and_only_once(codes: dict[str, list[int]]) -> None:
    world = Met({site: list(row) for site, row in codes.items()})
    run = run_in(world)
    tried = {site: row[: 2 if row[0] in AFTER_PROMOTION else 1] for site, row in codes.items()}
    whole = [site for site in SITES if tried[site][-1] == 0]
    if whole:
        back_up(run)
        assert run.recall("sites") == whole
        assert len(run.reasons) == len(SITES) - len(whole)
    else:
        with pytest.raises(NotVerified):
            back_up(run)
    for site, row in tried.items():
        assert [line for line in world.happened if line.startswith(site)] == [f"{site} {code}" for code in row]
    again = sum(len(row) == 2 for row in tried.values())
    assert world.happened.count("checkpoint") == again, "the new leader's control file must name its timeline first"
    file: Any = world.console.file
    assert isinstance(file, io.StringIO)
    assert file.getvalue().count("the leader moved, and pgBackRest ended with") == again


def test_any_failure_under_a_leader_that_moved_is_tried_again() -> None:
    """pgBackRest's own code then tells of the connection that broke, not of the promotion."""
    world = Met({"one": [82, 0], "two": [0]})
    run = run_in(world)
    run.remember("leader", "unit-two-db-1")
    back_up(run)
    assert run.reasons == []
    assert run.recall("sites") == list(SITES)


def test_another_pgbackrest_at_work_is_told_as_that() -> None:
    run = run_in(Met({"one": [pgbackrest.LOCK_HELD], "two": [0]}))
    back_up(run)
    assert len(run.reasons) == 1
    assert "one: no backup there: pgBackRest ended with [050]" in run.reasons[0]
    assert "another pgBackRest, which no runbook began, works there" in run.reasons[0]


def test_what_a_dead_runner_left_is_waited_for_and_only_what_came_to_nothing_is_begun_again() -> None:
    """`one` ended by itself as a backup, `two` left none: workers of it may still hold the lock."""
    world = Met({"one": [], "two": [0]}, left=SITES)
    world.backups.append({"repo": 1, "label": "20260101-000000F", "kind": "full", "run": "r1"})
    back_up(run_in(world, resumed=True))
    assert world.happened == ["ended two", "two 0"]


@pytest.mark.parametrize("resumed", [False, True])
def test_what_a_dead_runner_left_expiring_is_waited_for_in_each_container(resumed: bool) -> None:
    """Its lock would refuse another."""
    world = Met({})
    expire(run_in(world, resumed=resumed))
    waited = [f"unit-{site}-backup-1 waited for {of}" for site in SITES for of in SITES]
    expired = [f"unit-{site}-backup-1 expired {site}" for site in SITES]
    assert sorted(world.happened) == sorted([*expired, *(waited if resumed else [])])
    for site, last in zip(SITES, expired, strict=True):
        assert [line for line in world.happened if line.endswith(site)][-1] == last


@pytest.mark.parametrize("said", ["Error response from daemon: No such container: x", "container x is not running"])
def test_where_no_container_runs_there_is_nothing_to_end(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeMember, "do", failing(said))
    end_backups(run_in(World()))


def test_what_an_engine_that_does_not_answer_may_still_run_is_not_called_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeMember, "do", failing("Cannot connect to the Docker daemon"))
    with pytest.raises(CommandFailed):
        end_backups(run_in(World()))


def _repository(command: Command[Any]) -> str:
    """Return the site whose repository pgBackRest was told to use."""
    return SITES[int(command.argv[command.argv.index("--stanza=credit") + 1][-1]) - 1]


def failing(said: str) -> Callable[..., None]:
    """Return a `do` that fails with these words."""

    def do(member: FakeMember, command: Command[Any], feed: Iterable[bytes] = ()) -> None:
        raise CommandFailed(command.argv, member.name, 1, said)

    return do
