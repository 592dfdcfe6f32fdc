"""A site's route to the leader: HAProxy, which asks every Patroni who leads."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from infra.member import Ground, Shape, member
from infra.proxy import HEALTH, configuration
from infra.settings import address, container


@dataclass(frozen=True, kw_only=True)
class RouteArgs:
    """Where the route stands."""

    ground: Ground


class Route(pulumi.ComponentResource):
    """Passes PostgreSQL's bytes through; on the site's LAN it answers to the name `leader`."""

    def __init__(self, name: str, args: RouteArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the container."""
        super().__init__("separuh:estate:Route", name, None, opts)
        ground, settings = args.ground, args.ground.settings
        members = [
            {
                "name": container(settings, site, "db"),
                "db": address(settings, ground.place, site, "db"),
                "patroni_port": address(settings, ground.place, site, "patroni").rpartition(":")[2],
            }
            for site in settings.sites
        ]
        member(
            self,
            ground,
            Shape(
                role="route",
                files=configuration(ground, "route", members=members),
                health=HEALTH,
                aliases=("leader",),
            ),
        )
        self.register_outputs({})
