"""The wrapper around Patroni: it shortens what it knows to the letter, and asks for as long as Patroni slept."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import socket
import sys
import time
from types import ModuleType
from typing import Any

import pytest

from infra.images import CONTEXT


class Stock:
    """A stand-in for Patroni's classes, of which no method is the one that was looked at."""

    def _do_stop(self) -> None: ...
    def demote(self) -> None: ...
    def fetch_node_status(self, member: Any) -> None: ...
    def set_socket_options(self, sock: Any, socket_options: Any) -> None: ...
    def is_failover_possible(self, *, cluster_lsn: int = 0) -> bool:
        return cluster_lsn == 0


@pytest.fixture
def brisk(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The wrapper, on a Patroni that it does not know."""
    names = ("", ".__main__", ".api", ".dcs", ".dcs.etcd3", ".ha", ".postgresql", ".request")
    modules = {f"patroni{name}": ModuleType(f"patroni{name}") for name in names}
    vars(modules["patroni.__main__"])["main"] = lambda: None
    vars(modules["patroni.ha"]).update(Ha=Stock, time=time)
    vars(modules["patroni.postgresql"]).update(Postgresql=Stock, STOP_POLLING_INTERVAL=1)
    vars(modules["patroni.api"])["RestApiHandler"] = type("RestApiHandler", (), {})
    vars(modules["patroni.dcs.etcd3"])["Etcd3"] = Stock
    vars(modules["patroni.request"])["PatroniRequest"] = type("PatroniRequest", (), {})
    vars(modules["patroni"]).update({name: modules[f"patroni.{name}"] for name in ("api", "ha", "postgresql")})
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    path = str(CONTEXT / "database" / "brisk")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader = importlib.machinery.SourceFileLoader("brisk", path)
    spec = importlib.util.spec_from_loader("brisk", loader)
    assert spec
    loaded = importlib.util.module_from_spec(spec)
    loader.exec_module(loaded)
    return loaded


def test_another_patroni_runs_as_it_is(brisk: Any) -> None:
    stock, options = Stock.is_failover_possible, Stock.set_socket_options
    assert not any(brisk.shorten().values())
    assert sys.modules["patroni.postgresql"].STOP_POLLING_INTERVAL == 1
    assert sys.modules["patroni.ha"].time is time
    assert Stock.is_failover_possible is stock
    assert Stock.set_socket_options is options


def test_what_is_sent_to_etcd_leaves_at_once(brisk: Any) -> None:
    """Beside the options that Patroni gives it."""
    given: list[Any] = []
    with socket.socket() as connection:
        brisk.undelayed(lambda *options: given.extend(options))("dcs", connection, None)
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert given == ["dcs", connection, None]


def test_only_the_sleep_for_the_standby_is_left_out(brisk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    clock = brisk.Clock()

    def on_shutdown() -> None:
        clock.sleep(1)

    def elsewhere() -> None:
        clock.sleep(1)

    on_shutdown()
    elsewhere()
    assert slept == [1]
    assert clock.monotonic is time.monotonic


def test_it_asks_until_the_standby_has_caught_up_and_no_longer_than_patroni_slept(
    brisk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter((False, False, True))
    asked = brisk.patient(lambda ha, *, cluster_lsn=0: next(answers))
    assert asked(None, cluster_lsn=7)
    monkeypatch.setattr(brisk, "CATCHING_UP", 0.05)
    assert not brisk.patient(lambda ha, *, cluster_lsn=0: False)(None, cluster_lsn=7)


def test_a_question_without_a_point_of_the_log_is_asked_once(brisk: Any) -> None:
    answers = iter((False, True))
    assert not brisk.patient(lambda ha, *, cluster_lsn=0: next(answers))(None)
    assert next(answers)


def test_a_member_that_is_asked_how_it_stands_has_a_second_and_nothing_else_changes(brisk: Any) -> None:
    given: list[Any] = []
    ask = brisk.hurried(lambda *what, **options: given.append((what, options)))
    ask("requests", "jkt", timeout=2, retries=0)
    ask("requests", "jkt", "post", "failsafe", {}, timeout=2, retries=1)
    ask("requests", "jkt")
    assert given == [
        (("requests", "jkt"), {"timeout": brisk.ANSWER, "retries": 0}),
        (("requests", "jkt", "post", "failsafe", {}), {"timeout": 2, "retries": 1}),
        (("requests", "jkt"), {}),
    ]
