"""A plan makes nothing; an `up` makes what is missing, and secrets only for a stack of which nothing stands."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker
import pytest

from infra import pins, prepare, secrets
from infra.engines import EngineUnreachable
from infra.identity import SecretsError
from infra.prepare import NOT_BUILT, foresee
from infra.present import Present
from infra.settings import Settings
from tests.infra.test_settings import lab

PLACES = ("jkt", "sby", "bdg")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A stack, and an operator with a folder of their own."""
    monkeypatch.setenv("SEPARUH_IDENTITY_FILE", str(tmp_path / "me" / "identity.txt"))
    return lab(tmp_path)


def engines(settings: Settings, monkeypatch: pytest.MonkeyPatch, standing: str = "", gone: str = "") -> Any:
    """Engines of which one may have a volume of the stack, and one may not answer."""

    def client(place: str) -> str:
        if place == gone:
            raise EngineUnreachable(place, "ssh://x", "no route", "")
        return place

    def look(place: str, stack: str) -> Present:
        volumes: dict[str, Any] = {"lab-sby-db-1-data": {}} if place == standing else {}
        left: dict[str, Any] = {f"lab-{place}": {}}  # as an engine may keep a network after all else is gone
        return Present(found={"container": {}, "volume": volumes, "network": left}, foreign={})

    monkeypatch.setattr(prepare, "look", look)
    return SimpleNamespace(settings=settings, places=PLACES, client=client)


def made(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and path.suffix != ".yaml")


def prepared(engines: Any, root: Path, monkeypatch: pytest.MonkeyPatch, only: Collection[str] = ()) -> list[str]:
    """Prepare without building; return the places to which images were delivered."""
    delivered: list[str] = []
    local = SimpleNamespace(close=lambda: None)
    monkeypatch.setattr(docker, "from_env", lambda: local)
    monkeypatch.setattr(pins, "ensure", lambda settings, root, client, say: {"lab-bdg-etcd-1": "separuh/etcd:old"})
    monkeypatch.setattr(pins, "deliver", lambda settings, pinned, clients, client, say: delivered.extend(clients))
    prepare.prepare(engines, root, lambda line: None, only)
    return delivered


def test_a_plan_for_a_new_stack_makes_nothing(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEPARUH_IDENTITY_FILE", str(tmp_path / "identity.txt"))
    seen = foresee(engines(settings, monkeypatch), tmp_path / "checkout")
    assert not (tmp_path / "checkout").exists()
    assert set(seen.pins) == set(pins.members(settings))
    assert seen.pins["lab-sby-backup-1"] == f"separuh/database:{NOT_BUILT}"
    assert seen.secrets.stack == "lab"


def test_a_plan_for_a_living_stack_opens_its_own_secrets_or_says_that_it_cannot(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    standing = engines(settings, monkeypatch, standing="sby")
    with pytest.raises(SecretsError):
        foresee(standing, tmp_path)
    own = secrets.create(settings, tmp_path)
    pins.pins_file(settings, tmp_path).write_text("lab-bdg-etcd-1: separuh/etcd:old\n")
    seen = foresee(standing, tmp_path)
    assert seen.secrets.password("credit") == own.password("credit")
    assert (seen.pins["lab-bdg-etcd-1"], seen.pins["lab-jkt-etcd-1"]) == (
        "separuh/etcd:old",
        f"separuh/etcd:{NOT_BUILT}",
    )


def test_an_up_of_a_new_stack_makes_its_secrets(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert prepared(engines(settings, monkeypatch), tmp_path, monkeypatch) == list(PLACES)
    assert ".separuh/lab/secrets.age" in made(tmp_path)


def test_a_volume_that_was_kept_is_enough_to_need_the_old_secrets(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SecretsError):
        prepared(engines(settings, monkeypatch, standing="sby"), tmp_path, monkeypatch)
    assert made(tmp_path) == []


def test_one_site_is_prepared_while_the_other_is_gone(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = secrets.create(settings, tmp_path)
    half = engines(settings, monkeypatch, gone="jkt")
    assert prepared(half, tmp_path, monkeypatch, ("sby",)) == ["sby"]
    with pytest.raises(EngineUnreachable):
        prepared(half, tmp_path, monkeypatch)
    assert own.stack == "lab"


def test_one_site_of_a_stack_without_secrets_makes_none(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other site may hold data under secrets that are elsewhere."""
    with pytest.raises(SecretsError):
        prepared(engines(settings, monkeypatch), tmp_path, monkeypatch, ("sby",))
    assert made(tmp_path) == []
