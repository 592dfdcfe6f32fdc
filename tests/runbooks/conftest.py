"""What every runbook finds in memory: stores kept by moto, and sealed secrets to mirror."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from moto import mock_aws

from runbooks import seed
from runbooks.parts import mirror


@pytest.fixture(autouse=True)
def _stores(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(seed, "PORTION", 10)
    monkeypatch.setattr(mirror, "sealed", lambda _: b"age-encryption.org/v1")
    with mock_aws():
        yield
