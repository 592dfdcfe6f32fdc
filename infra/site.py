"""A site: everything that it takes to serve payments, from the gateway down to the store of the backups."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from infra.api import Api, ApiArgs
from infra.backup import Backup, BackupArgs
from infra.database import Database, DatabaseArgs
from infra.gateway import Gateway, GatewayArgs
from infra.member import Ground
from infra.object_store import ObjectStore, ObjectStoreArgs
from infra.pooler import Pooler, PoolerArgs
from infra.quorum import Voter, VoterArgs
from infra.route import Route, RouteArgs
from infra.settings import Site


@dataclass(frozen=True, kw_only=True)
class ServingArgs:
    """`site` is the place of `ground`; `other` is the site that takes over from it."""

    ground: Ground
    site: Site
    other: Site


class Serving(pulumi.ComponentResource):
    """One site of the two. Nothing in it waits for the health of anything else: each part retries by itself."""

    def __init__(self, name: str, args: ServingArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the site's members."""
        super().__init__("separuh:estate:Site", name, None, opts)
        ground, site = args.ground, args.site
        own = pulumi.ResourceOptions(parent=self)
        Voter(f"{name}-quorum", VoterArgs(ground=ground), own)
        database = Database(f"{name}-database", DatabaseArgs(ground=ground, site=site), own)
        Backup(f"{name}-backup", BackupArgs(ground=ground, site=site, database=database, other=args.other), own)
        Pooler(f"{name}-pooler", PoolerArgs(ground=ground), own)
        Route(f"{name}-route", RouteArgs(ground=ground), own)
        Gateway(f"{name}-gateway", GatewayArgs(ground=ground, site=site), own)
        for n in range(1, site.apis + 1):
            Api(f"{name}-api-{n}", ApiArgs(ground=ground, site=site, n=n), own)
        if not site.s3_endpoint:
            ObjectStore(f"{name}-store", ObjectStoreArgs(ground=ground, site=site), own)
        self.register_outputs({})
