"""The containers of a stack as its engine shows them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from tests.drills.stack import docker

KINDS = ("container", "network", "volume")
Inspected = Mapping[str, Any]


def labelled(kind: str, stack: str) -> list[str]:
    """Return the names of what carries the stack's label; `kind` is container, network or volume."""
    form = "{{.Names}}" if kind == "container" else "{{.Name}}"
    everything = ("--all",) if kind == "container" else ()
    listed = docker(kind, "ls", *everything, "--filter", f"label=separuh.stack={stack}", "--format", form)
    return sorted(listed.split())


def inspect(kind: str, names: Iterable[str]) -> dict[str, Inspected]:
    """Return what the engine says of each."""
    wanted = list(names)
    if not wanted:
        return {}
    said = json.loads(docker(kind, "inspect", *wanted))
    return dict(zip(wanted, said, strict=True))


def identities(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Return what changes when a container is made anew, or started again: its id, and when it was started."""
    return {name: (found["Id"], found["State"]["StartedAt"]) for name, found in inspect("container", names).items()}
