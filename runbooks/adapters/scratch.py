"""A container that nobody else uses, by the `docker` of its place's machine: made, cut off, looked at, removed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runbooks.core.command import Command

TMPFS_BYTES = 64 << 20

_LEFT = """
docker ps --all --filter "name=^$1" --format "{{.Names}}"
docker volume ls --filter "name=^$1" --format "{{.Name}}"
"""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A container to make. `user` is a number, `memory` in bytes, `mounts` are volume:path."""

    name: str
    image: str
    user: int
    memory: int
    cpu_shares: int
    network: str
    mounts: Sequence[str]
    labels: Mapping[str, str]
    tmpfs: Sequence[str]


def make_volume(name: str, labels: Mapping[str, str]) -> Command[str]:
    """Make a volume; one that is there already stays as it is."""
    return Command(argv=("docker", "volume", "create", *_labels(labels), name), within=30)


def make(shape: Shape, *command: str) -> Command[str]:
    """Make a container within the walls that every member has; `command` is for tini, else it is the role to start."""
    user, memory = f"{shape.user}:{shape.user}", str(shape.memory)
    tmpfs = [
        f"{path}:rw,nosuid,nodev,size={TMPFS_BYTES},uid={shape.user},gid={shape.user},mode=0700" for path in shape.tmpfs
    ]
    argv = (
        *("docker", "create", "--name", shape.name, *_labels(shape.labels)),
        *("--user", user, "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges:true"),
        *("--memory", memory, "--memory-swap", memory, "--cpu-shares", str(shape.cpu_shares)),
        *("--network", shape.network, "--log-driver", "local"),
        *(word for each in tmpfs for word in ("--tmpfs", each)),
        *(word for each in shape.mounts for word in ("--volume", each)),
        *(("--entrypoint", "/usr/bin/tini", shape.image, "--", *command) if command else (shape.image, "api")),
    )
    return Command(argv=argv, within=60)


def start_container(name: str) -> Command[str]:
    """Start a container that was made."""
    return Command(argv=("docker", "start", name), within=60)


def cut_off(name: str, network: str) -> Command[str]:
    """Take a container off a network."""
    return Command(argv=("docker", "network", "disconnect", "--force", network, name), within=60)


def networks(name: str) -> Command[int]:
    """Ask on how many networks a container is."""
    argv = ("docker", "container", "inspect", "--format", "{{len .NetworkSettings.Networks}}", name)
    return Command(argv=argv, parse=int, within=10)


def unpack(name: str, path: str) -> Command[str]:
    """Put the files of a tar archive, which is fed to it, into a folder of a container, running or not."""
    return Command(argv=("docker", "cp", "-", f"{name}:{path}"), within=60)


def image_of(name: str) -> Command[str]:
    """Ask which image a container was made from."""
    argv = ("docker", "container", "inspect", "--format", "{{.Config.Image}}", name)
    return Command(argv=argv, parse=str.strip, within=10)


def remove(names: Sequence[str], volumes: Sequence[str]) -> Command[str]:
    """Remove containers, then volumes, with all that is in them; what is not there is no error."""
    script = "docker rm --force $1 > /dev/null 2>&1; docker volume rm --force $2 > /dev/null"
    return Command(argv=("sh", "-c", script, "sh", " ".join(names), " ".join(volumes)), within=60)


def left(name: str) -> Command[tuple[str, ...]]:
    """Ask which containers and volumes there are whose names begin with `name`."""
    return Command(argv=("sh", "-c", _LEFT, "sh", name), parse=lambda said: tuple(said.split()), within=10)


def _labels(labels: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(word for label, value in labels.items() for word in ("--label", f"{label}={value}"))
