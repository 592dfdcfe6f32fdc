"""The gate in a pooler's container: what it takes for the leader's word, and for another leader."""

from __future__ import annotations

import json
import select
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from infra.images import CONTEXT

OK, READ = 0, 1  # what psycopg2 calls POLL_OK and POLL_READ


class Refused(Exception):
    """What psycopg2 raises."""


class Session:
    """A connection that answers what it was given, row by row; an exception among them is raised."""

    def __init__(self, *rows: Any) -> None:
        self.rows = list(rows)
        self.said: list[str] = []
        self.ear, self.mouth = socket.socketpair()
        self.notifies: list[str] = []
        self.broken = self.silent = False

    def fileno(self) -> int:
        return self.ear.fileno()

    def poll(self) -> int:
        if self.broken:
            raise Refused("server closed the connection")
        if not self.silent and select.select([self.ear], [], [], 0)[0] and self.ear.recv(1) == b"n":
            self.notifies.append("separuh_stop")
        return READ if self.silent else OK

    def cursor(self) -> Session:
        return self

    def execute(self, sql: str) -> None:
        self.said.append(sql)

    def fetchone(self) -> Any:
        row = self.rows.pop(0)
        if isinstance(row, Exception):
            raise row
        return row

    def close(self) -> None:
        self.mouth.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        return None


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The program, with folders of its own; `gate.sessions` is what it connects to, in turn."""
    ini = tmp_path / "pgbouncer.ini"
    ini.write_text("[databases]\ncredit = host=leader port=5432 dbname=credit\n")
    (tmp_path / "userlist.txt").write_text('"credit" "secret"\n"pooler" "other"\n')
    psycopg2 = ModuleType("psycopg2")
    sessions: list[Session] = []
    vars(psycopg2).update(Error=Refused, connect=lambda **to: sessions.pop(0))
    extensions = ModuleType("psycopg2.extensions")
    vars(extensions).update(POLL_OK=0, POLL_READ=1, POLL_WRITE=2)
    vars(psycopg2)["extensions"] = extensions
    monkeypatch.setitem(sys.modules, "psycopg2", psycopg2)
    monkeypatch.setitem(sys.modules, "psycopg2.extensions", extensions)
    text = (CONTEXT / "pooler" / "gate").read_text().replace('"/config"', repr(str(tmp_path)))
    program = ModuleType("gate")
    exec(compile(text.replace('"/run/', f'"{tmp_path}/'), "gate", "exec"), vars(program))  # noqa: S102
    vars(program)["sessions"] = sessions
    return program


def state(gate: Any) -> dict[str, Any]:
    """Return what the gate has noted."""
    return dict(json.loads(gate.STATE.read_text()))


def test_it_takes_the_leaders_word(gate: Any) -> None:
    old = Session()
    old.mouth.send(b"-n")  # the first byte is none of it, as TLS has words of its own
    assert gate.Gate("r1", 1, 5).told(old) is True


def test_it_notices_a_leader_that_is_gone_without_a_word(gate: Any) -> None:
    old = Session()
    old.broken = True
    old.mouth.send(b"x")
    assert gate.Gate("r1", 1, 5).told(old) is False


def test_it_does_not_wait_for_ever(gate: Any) -> None:
    assert gate.Gate("r1", 1, 0.05).told(Session()) is None


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([(False, "10:00")], False),  # the old one, which has not stopped yet
        ([(True, "09:00"), (True, "09:00"), (False, "09:00")], True),  # it is led to before it takes writes
        ([Refused("the database system is shutting down")], False),
    ],
)
def test_it_knows_another_leader_that_takes_writes(gate: Any, rows: list[Any], found: bool) -> None:
    gate.sessions.append(Session(*rows))
    assert gate.another_writes("10:00", 1) is found


def test_a_route_that_still_leads_to_the_old_leader_now_and_then_is_waited_for(
    gate: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HAProxy takes turns: payments that went on now would meet it."""
    answers = iter([False, True, False, True, True])
    monkeypatch.setattr(gate, "another_writes", lambda *_: next(answers))
    held = gate.Gate("r1", 9, 5)
    held.began = time.monotonic()
    held.meet_another("10:00")
    assert next(answers, None) is None


def test_a_server_that_takes_a_connection_and_never_answers_is_left(gate: Any) -> None:
    """One that is stopping does; libpq alone would wait for two seconds."""
    hung = Session()
    hung.silent = True
    gate.sessions.append(hung)
    began = time.monotonic()
    assert not gate.another_writes("10:00", 0.05)
    assert time.monotonic() - began < 1


def test_payments_go_on_when_its_time_is_up_though_it_waits(gate: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a connection of its own, and it ends itself: what it waits for may never come."""
    ended = threading.Event()
    monkeypatch.setattr(gate.os, "_exit", lambda code: ended.set())
    console = Session()
    gate.sessions.extend((console, Session()))
    with gate.Gate("r1", 0.05, 5).holding(True):
        assert gate.HELD.read_text() == "1\n"
        assert state(gate)["state"] == "holding"
        assert gate.state()["state"] == "failed", "this test is no gate, so the gate is taken for one that was killed"
        assert ended.wait(5)
        assert console.said == ["RESUME credit"]
        assert not gate.HELD.exists()
        assert state(gate)["state"] == "late"


def test_a_failure_in_the_middle_lets_payments_go_on(gate: Any) -> None:
    console = Session()
    gate.sessions.append(console)
    with pytest.raises(RuntimeError), gate.Gate("r1", 9, 5).holding(True):
        raise RuntimeError
    assert console.said == ["RESUME credit"]
    assert not gate.HELD.exists()


def test_it_knows_the_password_of_the_one_it_is_asked_for(gate: Any) -> None:
    assert gate.password("credit") == "secret"


@pytest.mark.parametrize("refusal", ['database "credit" is not paused', "no"])
def test_that_payments_were_not_held_is_no_error(gate: Any, refusal: str) -> None:
    console = Session()

    def refuse(sql: str) -> None:
        raise Refused(refusal)

    execute: Callable[[str], None] = refuse
    vars(console)["execute"] = execute
    gate.sessions.append(console)
    if refusal == "no":
        with pytest.raises(Refused):
            gate.resume()
    else:
        gate.resume()
