"""A site's services: credit-api, or the image that the stack's config names in its place."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi

from infra.member import CA, Ground, Shape, member
from infra.settings import PORTS, Site, address


@dataclass(frozen=True, kw_only=True)
class ApiArgs:
    """Where the service stands; `n` counts a site's services from 1."""

    ground: Ground
    site: Site
    n: int


class Api(pulumi.ComponentResource):
    """One service, which reaches the database through its site's pooler alone."""

    def __init__(self, name: str, args: ApiArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the container."""
        super().__init__("separuh:estate:Api", name, None, opts)
        ground, settings = args.ground, args.ground.settings
        host, _, port = address(settings, args.site, args.site, "pooler").rpartition(":")
        to = f"host={host} port={port} dbname={settings.cluster} user=credit"
        config = {
            "dsn": f"{to} sslmode=verify-full sslrootcert={CA}",
            "password": ground.secrets.password("credit"),
        }
        member(
            self,
            ground,
            Shape(
                role="api",
                n=args.n,
                files={"api.json": json.dumps(config)},
                health=("curl", "-fsS", "-o", "/dev/null", f"http://localhost:{PORTS['api']}/healthz"),
            ),
        )
        self.register_outputs({})
