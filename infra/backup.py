"""A site's backup role: pgBackRest beside the database, on its data and socket, with a low weight of its own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pulumi

from infra.archive import Repository, configuration, peer_of, repository
from infra.database import Database
from infra.member import CA, Ground, Shape, member, metrics_address
from infra.settings import Site


@dataclass(frozen=True, kw_only=True)
class BackupArgs:
    """The database it backs up, its own site, and the other, whose backup role reaches ours and is reached by it."""

    ground: Ground
    site: Site
    database: Database
    other: Site


class Backup(pulumi.ComponentResource):
    """Answers the other site's pgBackRest; the runbooks run this site's own commands in it.

    Its first boot makes the bucket and the stanza of this site, and waits for neither the other's store nor its site.
    """

    def __init__(self, name: str, args: BackupArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the container; it has no volume of its own."""
        super().__init__("separuh:estate:Backup", name, None, opts)
        ground, settings = args.ground, args.ground.settings
        member(
            self,
            ground,
            Shape(
                role="backup",
                files={
                    "pgbackrest.conf": configuration(ground, settings.sites, peer=peer_of(ground, args.other)),
                    "metrics.address": metrics_address(ground, "backup"),
                    "first-boot.json": json.dumps(_first_boot(ground, repository(ground, args.site))),
                },
                health=("pgbackrest", "--config=/config/pgbackrest.conf", "--log-level-console=off", "server-ping"),
                volumes=((args.database.data, "/data"), (args.database.run, "/var/run/postgresql")),
                ports=("backup",),
            ),
        )
        self.register_outputs({})


def _first_boot(ground: Ground, own: Repository) -> dict[str, Any]:
    """Return what the site's bucket and stanza are made from."""
    return {
        "endpoint": f"https://{own.host}:{own.port}",
        "bucket": own.bucket,
        "access_key": own.key.access_key,
        "secret_key": own.key.secret_key,
        "ca": CA if own.own_store else None,
        "lock_days": ground.settings.backup.lock_days,
        "stanza": ground.settings.cluster,
        "repository": own.number,
    }
