"""A site's object store: Ceph's S3 gateway, for a site whose company has no S3 of its own."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi

from infra.member import CA, Ground, Shape, member, metrics_address, volume
from infra.sections import MiB
from infra.settings import PORTS, Site, published

TMP_BYTES = 256 * MiB
STOP_SECONDS = 20


@dataclass(frozen=True, kw_only=True)
class ObjectStoreArgs:
    """Where the store stands; `site` is the place of `ground`."""

    ground: Ground
    site: Site


class ObjectStore(pulumi.ComponentResource):
    """S3 over TLS with locks that hold."""

    def __init__(self, name: str, args: ObjectStoreArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the data volume and the container."""
        super().__init__("separuh:estate:ObjectStore", name, None, opts)
        ground, site = args.ground, args.site
        key = ground.secrets.s3(site.name)
        data = volume(self, ground, "store", "data", stateful=True)
        outside = {PORTS["store"]: published(site, "store")}
        store = {"access_key": key.access_key, "secret_key": key.secret_key, "bytes": site.store_bytes}
        member(
            self,
            ground,
            Shape(
                role="store",
                files={
                    "metrics.address": metrics_address(ground, "store"),
                    "store.json": json.dumps(store),
                },
                health=("curl", "-fsS", "--cacert", CA, "-o", "/dev/null", f"https://localhost:{PORTS['store']}/"),
                volumes=((data, "/data"),),
                tmpfs={"/tmp": TMP_BYTES},  # noqa: S108 - inside the container
                ports=("store",),
                published=outside if site.publish.store else {},
                stop_seconds=STOP_SECONDS,
            ),
        )
        self.register_outputs({})
