"""Values that Pulumi was given besides the stack's file. The runbooks would never see them, so they are refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from infra.settings import PREFIX, Settings, SettingsError


def refuse_overrides(path: Path, given: Callable[[str], Any]) -> None:
    """Raise SettingsError where `given`, Pulumi's config by key, says other than the file at `path`."""
    written = (yaml.safe_load(path.read_text()) or {}).get("config") or {}
    for field in fields(Settings):
        key = f"{PREFIX}{field.name}"
        value = given(key)
        # Pulumi hands over text: JSON for what is more than a word, which YAML reads too.
        if value is not None and yaml.safe_load(str(value)) != written.get(key):
            raise SettingsError(
                f"{key} was given with another value than {path.name} has. Runbooks read that file alone: write the "
                "value there and leave -c and `pulumi config set` away"
            )
