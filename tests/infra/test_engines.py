"""A place's engine that cannot be reached is told within seconds: which, what was tried, what to do."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from infra.engines import ANSWER_SECONDS, Engines, EngineUnreachable
from infra.settings import Settings
from tests.infra.estate_of_three import settings


def far(root: Path, port: int) -> Settings:
    """Return settings whose first site is behind ssh at `port` of this machine."""
    near = settings(root, "emb")
    site = replace(near.sites[0], engine=f"ssh://root@127.0.0.1:{port}")
    return replace(near, sites=(site, near.sites[1]))


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never says a word, as a frozen host's does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_host_that_refuses_is_told_with_what_to_do(tmp_path: Path) -> None:
    with (
        Engines(far(tmp_path, 1)) as engines,
        pytest.raises(EngineUnreachable, match=r"jkt: .*ssh://root@127.0.0.1:1 .*up --site"),
    ):
        engines.client("jkt")


def test_a_host_that_is_silent_is_given_up_in_time(
    tmp_path: Path, silent_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.engines.CONNECT_SECONDS", 1)
    started = time.monotonic()
    with Engines(far(tmp_path, silent_port)) as engines, pytest.raises(EngineUnreachable, match="jkt: "):
        engines.client("jkt")
    assert time.monotonic() - started < ANSWER_SECONDS + 2
