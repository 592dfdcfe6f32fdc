"""The containers of a stack as its engine shows them."""

from __future__ import annotations

import json
import subprocess
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


def remains(stack: str) -> dict[str, list[str]]:
    """Return the names of what is left of a stack, by kind, but for the networks that its engine holds by a miscount.

    Docker 20.10 can take two endpoints that go at once for one (infra/embedded_change.py). It then refuses to remove
    the network, whose containers are none.
    """
    left = {kind: labelled(kind, stack) for kind in KINDS}
    found = inspect("network", left["network"])
    left["network"] = [name for name, network in found.items() if network["Containers"] or _removed(name)]
    return left


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


def _removed(network: str) -> bool:
    """Remove that network; return whether the engine let it go."""
    done = subprocess.run(("docker", "network", "rm", network), check=False, capture_output=True, text=True)
    return "active endpoints" not in done.stderr
