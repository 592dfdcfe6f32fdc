"""The detector's turns: what it asks, when it makes a mark, that it acts at most once; answers over real sockets."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from dead_leader import __main__ as program
from dead_leader import asking
from dead_leader.verdict import Standby, View

from tests.infra.test_dead_leader import FIT, STEP, TTL, VIEW

CONFIG = {
    "cluster": "credit",
    "etcd": ["here:2379", "there:2379"],
    "members": {name: {"patroni": f"{name}:8008", "db": f"{name}:5432"} for name in ("one", "two")},
    "mark": "/separuh/lab/verdict",
    "silence_seconds": 3,
}


class World:
    """The clock, etcd and the members, as the detector meets them."""

    def __init__(self) -> None:
        self.now, self.view, self.alive, self.standby = 0.0, VIEW, False, FIT
        self.marks, self.deposed, self.back = 0, list[View](), False

    def mark(self, key: str) -> int:
        self.marks += 1
        return self.marks

    def look(self) -> View:
        return replace(self.view, left=TTL - 1 - int(self.now))

    def depose(self, seen: View, mark: tuple[str, int]) -> bool:
        assert mark == (CONFIG["mark"], self.marks)
        self.deposed.append(seen)
        return True


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def detector(world: World, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The program, in that world."""
    monkeypatch.setattr(ssl, "create_default_context", lambda **_: _Context())
    monkeypatch.setattr(program, "now", lambda: world.now)
    made: Any = program.Detector(CONFIG)
    monkeypatch.setattr(made._etcd, "mark", world.mark)
    monkeypatch.setattr(made._etcd, "view", world.look)
    monkeypatch.setattr(made._etcd, "depose", world.depose)
    monkeypatch.setattr(made, "_members_say", lambda view, suspects: (world.alive, world.standby))
    return made


class _Context:
    def load_cert_chain(self, *_: object) -> None: ...


def turns(world: World, detector: Any, count: int) -> None:
    for _ in range(count):
        detector.turn()
        world.now += STEP


def test_it_acts_once_in_a_lease_s_life(world: World, detector: Any) -> None:
    turns(world, detector, 12)
    assert len(world.deposed) == 1


def test_no_mark_is_made_while_the_leader_answers(world: World, detector: Any) -> None:
    world.alive = True
    turns(world, detector, 8)
    assert (world.marks, world.deposed) == (0, [])


def test_a_leader_that_renews_in_the_last_moment_keeps_its_key(
    world: World, detector: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease is looked at once more between verdict and transaction."""
    turns(world, detector, 4)
    views = iter([world.look(), replace(world.look(), left=TTL - 1)])
    monkeypatch.setattr(detector._etcd, "view", lambda: next(views))
    detector.turn()
    assert (next(views, None), world.deposed) == (None, [])


def test_without_a_majority_it_begins_anew(world: World, detector: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    turns(world, detector, 4)
    with monkeypatch.context() as patch:
        patch.setattr(detector._etcd, "view", _no_majority)
        turns(world, detector, 1)
    turns(world, detector, 3)
    assert world.deposed == []


def _no_majority() -> View:
    raise OSError("timed out")


def test_frozen_for_a_moment_it_begins_anew(world: World, detector: Any) -> None:
    turns(world, detector, 4)
    world.now += 5
    turns(world, detector, 3)
    assert world.deposed == []


# -- over real sockets


@contextmanager
def server(says: bytes | None) -> Iterator[str]:
    """Listen; say something to whoever comes, or nothing, as a frozen process does."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while says is not None:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                connection.recv(8)
                connection.sendall(says)
                connection.close()

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize(("says", "answers"), [(b"S", True), (b"N", True), (b"", None), (None, None)])
def test_only_a_byte_is_an_answer(says: bytes | None, answers: bool | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "WITHIN", 0.1)
    with server(says) as address:
        said, _ = asking.Ask().begin("postgres", lambda: asking.postgres_answers(address))
        assert (asking.got(said, 2) or None) is answers


def test_a_question_that_is_under_way_is_not_asked_again() -> None:
    ask, go = asking.Ask(), threading.Event()

    def slow() -> Standby:
        go.wait(5)
        return FIT

    first, asked = ask.begin("two", slow)
    again, asked_again = ask.begin("two", slow)
    assert (again is first, asked, asked_again, asking.got(first, 0)) == (True, True, False, None)
    go.set()
    assert asking.got(again, 5) == FIT
