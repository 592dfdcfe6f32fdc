"""Which stack a verb is about, and what every verb needs of it."""

from __future__ import annotations

import os

from infra.secrets import Secrets, open_secrets
from infra.settings import ROOT, Settings, load


def settings_of(stack: str) -> Settings:
    """Return the settings of `stack`, else of SEPARUH_STACK, else of `dev`; never of Pulumi's selected stack."""
    return load(stack or os.environ.get("SEPARUH_STACK") or "dev")


def open_stack(stack: str) -> tuple[Settings, Secrets]:
    """Return the settings and secrets of a stack that is alive."""
    settings = settings_of(stack)
    return settings, open_secrets(settings, ROOT)
