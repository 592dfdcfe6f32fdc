"""A site's database: PostgreSQL under Patroni, which archives to its own site's repository only."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

from infra.archive import configuration
from infra.cluster import shared
from infra.member import CA, Ground, Shape, elsewhere, member, volume
from infra.render import render
from infra.sections import MiB
from infra.settings import PORTS, Site, address

SPOOL_BYTES = 16 * MiB  # marks of what was pushed; the segments themselves stay where they are
STOP_SECONDS = 30  # PostgreSQL hands its last WAL to the standby before it ends


@dataclass(frozen=True, kw_only=True)
class DatabaseArgs:
    """Where the database stands; `site` is the place of `ground`."""

    ground: Ground
    site: Site


class Database(pulumi.ComponentResource):
    """One member of the cluster. `data` and `run` are the volumes that the site's backup role shares."""

    data: docker.Volume
    run: docker.Volume

    def __init__(self, name: str, args: DatabaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the volumes and the container."""
        super().__init__("separuh:estate:Database", name, None, opts)
        ground, settings = args.ground, args.ground.settings
        self.data = volume(self, ground, "db", "data", stateful=True)
        self.run = volume(self, ground, "db", "run")
        patroni = render(
            "db/patroni.yml",
            name=ground.name("db"),
            cluster=settings.cluster,
            database=settings.database,
            shared=shared(settings),
            data=settings.database.path,
            ports=PORTS,
            db=elsewhere(settings, ground.place, "db"),
            patroni=elsewhere(settings, ground.place, "patroni"),
            etcd=[address(settings, ground.place, place, "etcd") for place in settings.places],
            # The own site's first: the other may be what was lost.
            repositories=sorted(
                map(settings.repository, settings.sites), key=lambda number: number != settings.repository(args.site)
            ),
            passwords={user: ground.secrets.password(user) for user in ("postgres", "replicator", "rewind")},
        )
        member(
            self,
            ground,
            Shape(
                role="db",
                files={
                    "patroni.yml": patroni,
                    "push.conf": configuration(ground, [args.site], push=True),
                    "pgbackrest.conf": configuration(ground, settings.sites),
                    "database.name": settings.cluster,
                    "database.password": ground.secrets.password("credit"),
                },
                health=(
                    "curl",
                    "-fsS",
                    "--cacert",
                    CA,
                    "-o",
                    "/dev/null",
                    f"https://localhost:{PORTS['patroni']}/health",
                ),
                volumes=((self.data, "/data"), (self.run, "/var/run/postgresql")),
                tmpfs={"/spool": SPOOL_BYTES},
                ports=("db", "patroni"),
                stop_seconds=STOP_SECONDS,
            ),
        )
        self.register_outputs({})
