"""Which stack a verb is about, and what every verb needs of it."""

from __future__ import annotations

from infra.secrets import Secrets, open_secrets, secrets_file
from infra.settings import ROOT, Settings, load
from runbooks.core.errors import NotReady
from runbooks.core.hint import usual_stack


def settings_of(stack: str) -> Settings:
    """Return the settings of `stack`, else of the usual one."""
    return load(stack or usual_stack())


def open_stack(stack: str) -> tuple[Settings, Secrets]:
    """Return the settings and secrets of a stack that is alive; NotReady where this clone has none."""
    settings = settings_of(stack)
    path = secrets_file(settings, ROOT)
    if not path.exists():
        raise NotReady(
            f"stack {settings.stack} has no secrets in this clone ({path.name} is not there). If it was never up: "
            f"./inv up --stack {settings.stack}. If another clone made it: copy {path} from there, or let "
            f"./inv secrets.fetch --stack {settings.stack} bring it from a store"
        )
    return settings, open_secrets(settings, ROOT)
