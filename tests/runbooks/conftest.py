"""What every runbook finds in memory: stores kept by moto, and sealed secrets to mirror."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from runbooks import seed
from runbooks.parts import mirror
from tests.s3 import in_memory


@pytest.fixture(autouse=True)
def _stores(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(seed, "PORTION", 10)
    monkeypatch.setattr(mirror, "sealed", lambda _: b"age-encryption.org/v1")
    with in_memory():
        yield
