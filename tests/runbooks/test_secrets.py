"""`secrets.fetch`: what it brings, and what it leaves alone."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from infra import secrets as sealed
from infra.identity import SecretsError
from infra.settings import Settings
from runbooks import secrets
from runbooks.core.command import Command, T
from runbooks.core.errors import CommandFailed, NotReady
from tests.core.fake import SETTINGS


class Stores:
    """Members of each site in turn, whose store has a content of a day, or says something else."""

    def __init__(self, *held: tuple[int, bytes] | str) -> None:
        self._held = list(held)

    def __call__(self, settings: Settings) -> Stores:
        return self

    def __enter__(self) -> Stores:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def member(self, place: Any, role: str) -> Stores:
        assert role == "backup"
        return self

    def ask(self, command: Command[T]) -> T:
        found = self._held.pop(0)
        if isinstance(found, str):
            raise CommandFailed(command.argv, "somewhere", 1, found)
        day, content = found
        said = {"modified_at": f"2026-06-{day:02}T10:00:00+00:00", "content": b64encode(content).decode()}
        return command.parse(json.dumps(said))


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the file is to come: a checkout without secrets, and an identity that opens `newer` alone."""

    def opened(settings: Settings, root: Path) -> None:
        if sealed.secrets_file(settings, root).read_bytes() != b"newer":
            raise SecretsError("does not open it")

    monkeypatch.setattr(secrets, "ROOT", tmp_path)
    monkeypatch.setattr(secrets, "settings_of", lambda stack: SETTINGS)
    monkeypatch.setattr(secrets, "open_secrets", opened)
    return tmp_path / ".separuh" / "unit" / "secrets.age"


@pytest.mark.parametrize(
    "held", [((1, b"older"), (2, b"newer")), ((2, b"newer"), (1, b"older")), ("no answer", (2, b"newer"))]
)
def test_the_newer_of_both_stores_is_brought_for_this_user_alone(
    held: tuple[Any, Any], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secrets, "Members", Stores(*held))
    secrets.fetch("")
    assert path.read_bytes() == b"newer"
    assert path.stat().st_mode & 0o777 == 0o600


def test_where_neither_has_them_each_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "Members", Stores("NoSuchKey", "no answer"))
    with pytest.raises(NotReady, match=r"(?s)one: NoSuchKey.*two: no answer"):
        secrets.fetch("")
    assert not path.exists()


def test_what_is_here_already_is_not_replaced(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "Members", Stores((2, b"newer")))
    path.parent.mkdir(parents=True)
    path.write_bytes(b"mine")
    with pytest.raises(NotReady, match="is there already"):
        secrets.fetch("")
    assert path.read_bytes() == b"mine"
