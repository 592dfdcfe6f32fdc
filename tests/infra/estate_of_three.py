"""A small stack for the tests of the embedded engine: three places on one engine, containers that only sleep."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.settings import Settings, load

IMAGE = "debian:trixie-slim"
PORT = 25080
PLACES = ("jkt", "sby", "bdg")


@dataclass(frozen=True)
class Choices:
    """What a test declares otherwise than the rest."""

    memory_mb: int = 32
    password: str = "hush-hush-hush"  # noqa: S105
    command: tuple[str, ...] = ("sleep", "1000")
    places: tuple[str, ...] = PLACES
    extra: str = ""  # a resource of a type that the embedded engine does not do


def settings(root: Path, stack: str) -> Settings:
    """Return the settings of `stack`, written under `root`."""
    places = "\n".join(f"    - {{name: {name}, city: X}}" for name in PLACES[:2])
    text = f"config:\n  separuh:sites:\n{places}\n  separuh:witness: {{name: {PLACES[2]}, city: X}}\n"
    (root / f"Pulumi.{stack}.yaml").write_text(text)
    return load(stack, root)


def program(stack: str, choices: Choices = Choices()) -> Callable[[], None]:
    """Return a program that declares, a place: a LAN, files, a member that reads them; and a link over all places."""

    def declare() -> None:
        import pulumi  # noqa: PLC0415 - slow, and only who declares needs it
        import pulumi_docker as docker  # noqa: PLC0415

        def labels(name: str, place: str, role: str) -> dict[str, str]:
            return {"separuh.stack": stack, "separuh.name": name, "separuh.place": place, "separuh.role": role}

        def on(kind: str, name: str, given: dict[str, str]) -> Any:
            make = getattr(docker, f"{kind}LabelArgs")
            return [make(label=key, value=value) for key, value in {**given, "separuh.name": name}.items()]

        link_name = f"{stack}-link"
        link = docker.Network(
            link_name, name=link_name, labels=on("Network", link_name, {"separuh.stack": stack}), internal=True
        )
        for place in choices.places:
            lan_name, member_name = f"{stack}-{place}", f"{stack}-{place}-db-1"
            given = labels(member_name, place, "db")
            lan = docker.Network(
                lan_name,
                name=lan_name,
                labels=on("Network", lan_name, {**given, "separuh.engine": "pulumi"}),
            )
            config = docker.Volume(
                f"{member_name}-config",
                name=f"{member_name}-config",
                labels=on("Volume", f"{member_name}-config", given),
            )
            files = docker.Container(
                f"{member_name}-files",
                name=f"{member_name}-files",
                image=IMAGE,
                command=["true"],
                start=False,
                must_run=False,
                network_mode="none",
                labels=on("Container", f"{member_name}-files", given),
                volumes=[docker.ContainerVolumeArgs(volume_name=config.name, container_path="/config")],
                uploads=[
                    docker.ContainerUploadArgs(
                        file="/config/password",
                        content=pulumi.Output.secret(choices.password),
                        permissions="0400",
                        owner="5432",
                        group="5432",
                    )
                ],
            )
            docker.Container(
                member_name,
                name=member_name,
                image=IMAGE,
                hostname=member_name,
                command=list(choices.command),
                user="5432:5432",
                labels=on("Container", member_name, given),
                memory=choices.memory_mb,
                memory_swap=choices.memory_mb,
                log_driver="local",
                cpu_shares=64,
                restart="unless-stopped",
                read_only=True,
                tmpfs={"/tmp": "size=1m,mode=1777", "/run": "size=1m"},  # noqa: S108 - in a container
                security_opts=["no-new-privileges"],
                capabilities=docker.ContainerCapabilitiesArgs(drops=["ALL"]),
                healthcheck=docker.ContainerHealthcheckArgs(
                    tests=["CMD", "true"], interval="90s", timeout="5s", start_period="2s", retries=3
                ),
                stop_timeout=1,
                destroy_grace_seconds=1,
                volumes=[docker.ContainerVolumeArgs(volume_name=config.name, container_path="/config", read_only=True)],
                ports=[docker.ContainerPortArgs(internal=80, external=PORT + PLACES.index(place), ip="127.0.0.1")],
                networks_advanced=[
                    docker.ContainerNetworksAdvancedArgs(name=lan.name, aliases=[f"db-1.{place}", "leader"]),
                    docker.ContainerNetworksAdvancedArgs(name=link.name, aliases=[f"db-1.{place}.link"]),
                ],
                opts=pulumi.ResourceOptions(depends_on=[files]),
            )
        if choices.extra:
            pulumi.CustomResource(choices.extra, "stranger", {})

    return declare


def stack_of_this_process() -> str:
    """Return a stack name of this test run alone."""
    return f"e{os.getpid() % 100000}"
