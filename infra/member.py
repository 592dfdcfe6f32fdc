"""The shape that every member has: one container, its config files, and the walls around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
import pulumi_docker as docker

from infra.images import of_role
from infra.secrets import Secrets
from infra.sections import MiB
from infra.settings import ON_LINK, PORTS, Place, Settings, address, container, published

CONFIG = "/config"
CA = f"{CONFIG}/ca.crt"
SCRATCH_BYTES = 64 * MiB
FILES_MEMORY_MIB = 32  # of a container that is never started


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What a place gives to all that is declared on it. `networks` are its LAN and, on a shared engine, the link."""

    settings: Settings
    secrets: Secrets
    pins: Mapping[str, str]
    place: Place
    provider: docker.Provider | None = None
    networks: tuple[docker.Network, ...] = ()

    def options(
        self, parent: pulumi.Resource, *after: pulumi.Resource, stateful: bool = False
    ) -> pulumi.ResourceOptions:
        """Return the options of a resource here. What is `stateful` is neither replaced nor deleted by a program."""
        return pulumi.ResourceOptions(
            parent=parent,
            provider=self.provider,
            depends_on=list(after),
            protect=stateful,
            retain_on_delete=stateful,
            delete_before_replace=not stateful,
        )

    def name(self, role: str, n: int = 1) -> str:
        """Return the container name of a member of this place."""
        return container(self.settings, self.place, role, n)


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What tells one member from another. `health` is a command, `files` go to /config, `tmpfs` is in bytes."""

    role: str
    n: int = 1
    files: Mapping[str, str]
    health: tuple[str, ...]
    volumes: tuple[tuple[docker.Volume, str], ...] = ()
    tmpfs: Mapping[str, int] = field(default_factory=dict)
    ports: tuple[str, ...] = ()  # names of PORTS that other places must reach
    published: Mapping[int, int] = field(default_factory=dict)  # inside -> outside, on any engine
    aliases: tuple[str, ...] = ()
    stop_seconds: int = 10


def elsewhere(settings: Settings, place: Place, role: str) -> str:
    """Return `host:port` under which the other places reach `role` of `place`: what a member advertises."""
    return address(settings, next(other for other in settings.places if other.name != place.name), place, role)


def metrics_address(ground: Ground, role: str) -> str:
    """Return `host:port` at which `role` shows its metrics: on its place's own LAN, not on the link."""
    host, _, _ = address(ground.settings, ground.place, ground.place, role).partition(":")
    return f"{host}:{PORTS['metrics']}"


def labels(settings: Settings, name: str, role: str, place: str = "") -> dict[str, str]:
    """Return what tells our objects from all others on an engine, and finds them without any state."""
    of_place = {"separuh.place": place} if place else {}
    return {"separuh.stack": settings.stack, "separuh.name": name, "separuh.role": role, **of_place}


def volume(
    parent: pulumi.Resource, ground: Ground, role: str, purpose: str, *, stateful: bool = False
) -> docker.Volume:
    """Declare the volume `<container>-<purpose>`."""
    name = f"{ground.name(role)}-{purpose}"
    return docker.Volume(
        name,
        name=name,
        labels=_volume_labels(labels(ground.settings, name, role, ground.place.name)),
        opts=ground.options(parent, stateful=stateful),
    )


def member(parent: pulumi.Resource, ground: Ground, shape: Shape) -> docker.Container:
    """Declare a member: its config volume, the container that fills it and is never started, and the one that runs.

    A change of a file makes a new holder of files; the running container stays, and its entrypoint reloads.
    """
    settings, name = ground.settings, ground.name(shape.role, shape.n)
    user = str(of_role(shape.role).uid)
    limits = settings.member(shape.role)
    memory = limits.memory // MiB
    config = docker.Volume(
        f"{name}-config",
        name=f"{name}-config",
        labels=_volume_labels(labels(settings, f"{name}-config", shape.role, ground.place.name)),
        opts=ground.options(parent),
    )
    files = docker.Container(
        f"{name}-files",
        name=f"{name}-files",
        image=ground.pins[name],
        start=False,
        must_run=False,
        user=f"{user}:{user}",
        network_mode="none",
        memory=FILES_MEMORY_MIB,
        memory_swap=FILES_MEMORY_MIB,
        cpu_shares=limits.cpu_shares,
        capabilities=docker.ContainerCapabilitiesArgs(drops=["ALL"]),
        security_opts=["no-new-privileges:true"],
        volumes=[docker.ContainerVolumeArgs(volume_name=f"{name}-config", container_path=CONFIG)],
        uploads=[
            docker.ContainerUploadArgs(
                file=f"{CONFIG}/{file}",
                content=pulumi.Output.secret(content),
                owner=user,
                group=user,
                permissions="0400",
            )
            for file, content in _all_files(ground, shape).items()
        ],
        labels=_labels(labels(settings, f"{name}-files", shape.role, ground.place.name)),
        opts=ground.options(parent, config),
    )
    scratch = {"/tmp": SCRATCH_BYTES, "/run": SCRATCH_BYTES, **shape.tmpfs}  # noqa: S108 - inside the container
    return docker.Container(
        name,
        name=name,
        hostname=name,
        image=ground.pins[name],
        command=[shape.role],
        user=f"{user}:{user}",
        restart="unless-stopped",
        read_only=True,
        capabilities=docker.ContainerCapabilitiesArgs(drops=["ALL"]),
        security_opts=["no-new-privileges:true"],
        memory=memory,
        memory_swap=memory,
        cpu_shares=limits.cpu_shares,
        stop_timeout=shape.stop_seconds,
        destroy_grace_seconds=shape.stop_seconds,
        log_driver="local",  # the one that rotates by itself
        tmpfs={path: f"rw,nosuid,nodev,size={size},uid={user},gid={user},mode=0700" for path, size in scratch.items()},
        volumes=[
            docker.ContainerVolumeArgs(volume_name=f"{name}-config", container_path=CONFIG, read_only=True),
            *(
                docker.ContainerVolumeArgs(volume_name=mounted.name, container_path=path)
                for mounted, path in shape.volumes
            ),
        ],
        networks_advanced=_networks(ground, shape),
        ports=_ports(ground, shape),
        healthcheck=docker.ContainerHealthcheckArgs(
            tests=["CMD", *shape.health], interval="30s", timeout="5s", retries=3, start_period="30s"
        ),
        labels=_labels(labels(settings, name, shape.role, ground.place.name)),
        opts=ground.options(parent, files, *ground.networks, *(mounted for mounted, _ in shape.volumes)),
    )


def _all_files(ground: Ground, shape: Shape) -> dict[str, str]:
    leaf = ground.secrets.leaf(ground.name(shape.role, shape.n))
    return {**shape.files, "ca.crt": ground.secrets.ca, "tls.crt": leaf.certificate, "tls.key": leaf.key}


def _networks(ground: Ground, shape: Shape) -> list[docker.ContainerNetworksAdvancedArgs]:
    settings, host = ground.settings, f"{shape.role}-{shape.n}.{ground.place.name}"
    lan = docker.ContainerNetworksAdvancedArgs(
        name=f"{settings.stack}-{ground.place.name}", aliases=[host, *shape.aliases]
    )
    if not settings.one_engine or shape.role not in (*ON_LINK, "detector"):
        return [lan]
    return [lan, docker.ContainerNetworksAdvancedArgs(name=f"{settings.stack}-link", aliases=[f"{host}.link"])]


def _ports(ground: Ground, shape: Shape) -> list[docker.ContainerPortArgs]:
    """Publish what other places reach only where no shared engine's network does it, always at the place's address."""
    settings, place = ground.settings, ground.place
    across = {} if settings.one_engine else {PORTS[port]: published(place, port) for port in shape.ports}
    return [
        docker.ContainerPortArgs(internal=internal, external=external, ip=place.publish.address)
        for internal, external in sorted({**across, **shape.published}.items())
    ]


def _labels(values: Mapping[str, str]) -> list[docker.ContainerLabelArgs]:
    return [docker.ContainerLabelArgs(label=label, value=value) for label, value in sorted(values.items())]


def _volume_labels(values: Mapping[str, str]) -> list[docker.VolumeLabelArgs]:
    return [docker.VolumeLabelArgs(label=label, value=value) for label, value in sorted(values.items())]
