"""The Docker engine of a place, and the file systems that its containers see."""

from __future__ import annotations

import json
from dataclasses import dataclass

from runbooks.core.command import Command

DATA = "/data"  # where the volume of a database, and of a store, is mounted


@dataclass(frozen=True, kw_only=True)
class Container:
    """What the engine says of one container. `health` is "" where it has no health check."""

    name: str
    running: bool
    status: str
    health: str


@dataclass(frozen=True, kw_only=True)
class Space:
    """A file system, in bytes."""

    size: int
    free: int


def state(*names: str) -> Command[dict[str, Container]]:
    """Ask an engine about containers by name; one that does not exist is absent from the answer.

    `docker inspect` exits 1 when any is missing and still prints the others.
    """
    return Command(argv=("docker", "container", "inspect", *names), parse=_containers, within=10, ok=(0, 1))


def free(path: str) -> Command[Space]:
    """Ask inside a container how much of the file system of `path` is left to it."""
    return Command(argv=("df", "-B1", "--output=size,avail", path), parse=_space, within=10)


def stop(name: str, seconds: int = 30) -> Command[str]:
    """Stop a container, which gets so many seconds to end by itself; it stays stopped until it is started."""
    return Command(argv=("docker", "stop", "--time", str(seconds), name), within=seconds + 30)


def start(*names: str) -> Command[str]:
    """Start containers that are there; one that runs stays as it is."""
    return Command(argv=("docker", "start", *names), within=60)


def _containers(output: str) -> dict[str, Container]:
    found = {}
    for each in json.loads(output or "[]"):
        name, now = each["Name"].lstrip("/"), each["State"]
        health = now.get("Health", {}).get("Status", "")
        found[name] = Container(name=name, running=now["Running"], status=now["Status"], health=health)
    return found


def _space(output: str) -> Space:
    size, left = output.splitlines()[-1].split()
    return Space(size=int(size), free=int(left))
