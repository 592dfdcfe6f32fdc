"""One voter of the quorum that decides who leads: etcd, at every place."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from infra.member import Ground, Shape, elsewhere, member, volume
from infra.render import render
from infra.settings import PORTS


@dataclass(frozen=True, kw_only=True)
class VoterArgs:
    """Where the voter stands."""

    ground: Ground


class Voter(pulumi.ComponentResource):
    """etcd with certificates both ways, for clients and for peers."""

    def __init__(self, name: str, args: VoterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the voter's data volume and its container."""
        super().__init__("separuh:estate:Voter", name, None, opts)
        ground, settings = args.ground, args.ground.settings
        own = ground.name("etcd")
        peers = {
            f"{settings.stack}-{place.name}-etcd-1": elsewhere(settings, place, "etcd_peer")
            for place in settings.places
        }
        config = render(
            "etcd/etcd.yml",
            name=own,
            stack=settings.stack,
            ports=PORTS,
            client=elsewhere(settings, ground.place, "etcd"),
            peers=peers,
        )
        data = volume(self, ground, "etcd", "data", stateful=True)
        member(
            self,
            ground,
            Shape(
                role="etcd",
                files={"etcd.yml": config},
                health=("curl", "-fsS", f"http://localhost:{PORTS['metrics']}/health?serializable=true"),
                volumes=((data, "/data"),),
                ports=("etcd", "etcd_peer"),
            ),
        )
        self.register_outputs({})
