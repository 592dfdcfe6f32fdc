"""A site's backup role: pgBackRest beside the database, on its data and socket, with a low weight of its own."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from infra.archive import configuration, peer_of
from infra.database import Database
from infra.member import Ground, Shape, member
from infra.settings import Site


@dataclass(frozen=True, kw_only=True)
class BackupArgs:
    """The database it backs up, and the site whose backup role reaches ours and is reached by it."""

    ground: Ground
    database: Database
    other: Site


class Backup(pulumi.ComponentResource):
    """Answers the other site's pgBackRest; the runbooks run this site's own commands in it."""

    def __init__(self, name: str, args: BackupArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the container; it has no volume of its own."""
        super().__init__("separuh:estate:Backup", name, None, opts)
        ground, settings = args.ground, args.ground.settings
        member(
            self,
            ground,
            Shape(
                role="backup",
                files={"pgbackrest.conf": configuration(ground, settings.sites, peer=peer_of(ground, args.other))},
                health=("pgbackrest", "--config=/config/pgbackrest.conf", "--log-level-console=off", "server-ping"),
                volumes=((args.database.data, "/data"), (args.database.run, "/var/run/postgresql")),
                ports=("backup",),
            ),
        )
        self.register_outputs({})
