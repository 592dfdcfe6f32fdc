"""Pulumi may be given values that no runbook would see: they are refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.overrides import refuse_overrides
from infra.settings import SettingsError
from tests.infra.test_settings import written


def given(path: Path, **changes: Any) -> Any:
    """Return a reader of the file's own values as Pulumi hands them over, some changed."""
    config = yaml.safe_load(path.read_text())["config"] | {f"separuh:{key}": value for key, value in changes.items()}
    as_text = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
    return as_text.get


def test_the_file_s_own_values_pass(tmp_path: Path) -> None:
    path = written(tmp_path, production=False, backup={"lock_days": 30}) / "Pulumi.lab.yaml"
    refuse_overrides(path, given(path))


@pytest.mark.parametrize(
    "change", [{"cluster": "other"}, {"production": True}, {"backup": {"lock_days": 1}}, {"api_image": "x:1"}]
)
def test_any_other_value_is_refused_by_name(tmp_path: Path, change: dict[str, Any]) -> None:
    path = written(tmp_path, production=False, backup={"lock_days": 30}) / "Pulumi.lab.yaml"
    with pytest.raises(SettingsError, match=rf"separuh:{next(iter(change))}.*Pulumi\.lab\.yaml"):
        refuse_overrides(path, given(path, **change))
