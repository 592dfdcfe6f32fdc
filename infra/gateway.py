"""A site's gateway: HAProxy, where the payments come in."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from infra.member import Ground, Shape, member
from infra.proxy import HEALTH, configuration
from infra.settings import PORTS, Site, address, published


@dataclass(frozen=True, kw_only=True)
class GatewayArgs:
    """Where the gateway stands; `site` is the place of `ground`."""

    ground: Ground
    site: Site


class Gateway(pulumi.ComponentResource):
    """Spreads requests over the site's own services."""

    def __init__(self, name: str, args: GatewayArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the container; it is published where the stack's config says so."""
        super().__init__("separuh:estate:Gateway", name, None, opts)
        ground, settings, site = args.ground, args.ground.settings, args.site
        apis = [address(settings, site, site, "api", n) for n in range(1, site.apis + 1)]
        outside = {PORTS["gateway"]: published(site, "gateway")}
        member(
            self,
            ground,
            Shape(
                role="gateway",
                files=configuration(ground, "gateway", apis=apis),
                health=HEALTH,
                published=outside if site.publish.gateway or not settings.one_engine else {},
            ),
        )
        self.register_outputs({})
