"""What must be there before anything is declared: the stack's secrets, pins, and images at every place."""

from __future__ import annotations

import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import docker

from infra import pins, secrets
from infra.engines import Engines
from infra.images import of_role
from infra.present import look
from infra.say import Say
from infra.secrets import Secrets

NOT_BUILT = "not-built-yet"  # a tag that no build makes: a plan shows it where an `up` would build


@dataclass(frozen=True)
class Prepared:
    """The values that the declarations take besides the settings."""

    secrets: Secrets
    pins: dict[str, str]


def prepare(engines: Engines, root: Path, say: Say, only: Collection[str] = ()) -> Prepared:
    """Make what is missing: secrets for a stack of which nothing stands, images for members without a pin.

    Raises SecretsError, ImagesError, and EngineUnreachable for a place that is needed.
    """
    settings = engines.settings
    opened = secrets.ensure(settings, root, bool(only) or _stands(engines))
    local = docker.from_env()
    try:
        pinned = pins.ensure(settings, root, local, say)
        clients = {place: engines.client(place) for place in only or engines.places}
        pins.deliver(settings, pinned, clients, local, say)
    finally:
        local.close()
    return Prepared(opened, pinned)


def foresee(engines: Engines, root: Path) -> Prepared:
    """Return what `prepare` would, and make nothing: throw-away secrets and tags where there are none yet."""
    settings = engines.settings
    known = pins.pins(settings, root)
    unpinned = {name: f"separuh/{of_role(role).name}:{NOT_BUILT}" for name, role in pins.members(settings).items()}
    if secrets.secrets_file(settings, root).exists() or _stands(engines):
        return Prepared(secrets.open_secrets(settings, root), {**unpinned, **known})
    with tempfile.TemporaryDirectory() as elsewhere:
        return Prepared(secrets.create(settings, Path(elsewhere)), {**unpinned, **known})


def _stands(engines: Engines) -> bool:
    """Return whether any place has a container of the stack, or a volume that was kept.

    A network knows no secret, and an engine may keep one after all else is gone (`embedded_change.HeldByNothing`).
    """
    found = (look(engines.client(place), engines.settings.stack).found for place in engines.places)
    return any(here["container"] or here["volume"] for here in found)
