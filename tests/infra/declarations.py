"""The estate's declarations as the tests look at them: collected once a stack, with secrets made for the test."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from infra.collect import Declared, collect
from infra.estate import declare
from infra.pins import members
from infra.policy import CONTAINER
from infra.secrets import Secrets, create
from infra.settings import Settings
from tests.infra.test_settings import apart, lab


@dataclass(frozen=True)
class Estate:
    """One stack's declarations, and what they were made from."""

    settings: Settings
    secrets: Secrets
    declared: tuple[Declared, ...]

    def one(self, name: str) -> Declared:
        """Return the resource that Docker knows as `name`."""
        return next(one for one in self.declared if one.inputs.get("name") == name)

    def containers(self) -> dict[str, Declared]:
        """Return every container that runs, by name."""
        found = (one for one in self.declared if one.type == CONTAINER and one.inputs.get("start", True))
        return {str(one.inputs["name"]): one for one in found}

    def files(self, name: str) -> dict[str, str]:
        """Return the config files of a member, by name."""
        return {Path(file["file"]).name: file["content"] for file in self.uploads(name)}

    def uploads(self, name: str) -> list[dict[str, Any]]:
        """Return what a member's holder of files is given."""
        return list(self.one(f"{name}-files").inputs["uploads"])


@cache
def shared() -> Estate:
    """Both sites and the witness on one engine."""
    return estate_of(lab(Path(mkdtemp())))


@cache
def on_hosts() -> Estate:
    """Three engines behind ssh, as staging and production have."""
    return estate_of(lab(Path(mkdtemp()), **apart()))


@cache
def with_detector() -> Estate:
    """Three engines, and a detector at the witness."""
    return estate_of(lab(Path(mkdtemp()), failover={"detector": True}, **apart()))


def estate_of(settings: Settings, only: Collection[str] | None = None) -> Estate:
    """Return what is declared for `settings`, at the places of `only` where it is given."""
    folder = Path(mkdtemp())
    before = os.environ.get("SEPARUH_IDENTITY_FILE")
    os.environ["SEPARUH_IDENTITY_FILE"] = str(folder / "identity.txt")
    try:
        secrets = create(settings, folder)
    finally:
        os.environ.pop("SEPARUH_IDENTITY_FILE")
        if before is not None:
            os.environ["SEPARUH_IDENTITY_FILE"] = before
    pins = {name: f"separuh/{role}:0123456789ab" for name, role in members(settings).items()}
    found = collect(lambda: declare(settings, secrets, pins, only), stack=settings.stack)
    return Estate(settings, secrets, tuple(found))


def place_alone(name: str) -> Estate:
    """Return what is declared when only one place is worked on."""
    return estate_of(shared().settings, (name,))
