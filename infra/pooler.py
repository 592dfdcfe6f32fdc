"""A site's pooler: PgBouncer, which holds the payments while the leader moves."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from infra.member import Ground, Shape, member, metrics_address
from infra.render import render
from infra.settings import PORTS


@dataclass(frozen=True, kw_only=True)
class PoolerArgs:
    """Where the pooler stands."""

    ground: Ground


class Pooler(pulumi.ComponentResource):
    """Takes the workload's connections over TLS, and verifies the leader in full through the route."""

    def __init__(self, name: str, args: PoolerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the container."""
        super().__init__("separuh:estate:Pooler", name, None, opts)
        ground, settings = args.ground, args.ground.settings
        passwords = {user: ground.secrets.password(user) for user in ("credit", "pooler")}
        member(
            self,
            ground,
            Shape(
                role="pooler",
                files={
                    "pgbouncer.ini": render("pooler/pgbouncer.ini", cluster=settings.cluster, ports=PORTS),
                    "metrics.address": metrics_address(ground, "pooler"),
                    "userlist.txt": render("pooler/userlist.txt", passwords=passwords),
                },
                health=("bash", "-c", f"</dev/tcp/localhost/{PORTS['pooler']}"),
            ),
        )
        self.register_outputs({})
