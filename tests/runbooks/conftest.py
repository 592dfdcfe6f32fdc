"""What every runbook finds in memory: stores kept by moto, and sealed secrets to mirror."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.secrets import Secrets, create
from runbooks import seed
from runbooks.parts import drill_evidence, mirror
from tests.core.fake import SETTINGS
from tests.runbooks.fake import World
from tests.s3 import in_memory


@pytest.fixture(scope="session")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the identity that opens the worlds' secrets."""
    return tmp_path_factory.mktemp("identity") / "identity.txt"


@pytest.fixture(scope="session")
def sealed_for(identity: Path) -> Secrets:
    """Return the secrets of every world, made once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEPARUH_IDENTITY_FILE", str(identity))
        return create(SETTINGS, identity.parent)


@pytest.fixture(autouse=True)
def _stores(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, identity: Path, sealed_for: Secrets) -> Iterator[None]:
    monkeypatch.setenv("SEPARUH_IDENTITY_FILE", str(identity))
    monkeypatch.setattr(World, "secrets", sealed_for)
    monkeypatch.setattr(seed, "PORTION", 10)
    monkeypatch.setattr(mirror, "sealed", lambda _: b"age-encryption.org/v1")
    monkeypatch.setattr(drill_evidence, "ROOT", tmp_path)
    with in_memory():
        yield
