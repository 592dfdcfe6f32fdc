"""The detector of a dead leader: beside the witness's voter, in the same image (docs/decisions/0027)."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi

from infra.member import Ground, Shape, member
from infra.settings import address, container


@dataclass(frozen=True, kw_only=True)
class DetectorArgs:
    """Where the detector stands."""

    ground: Ground


class Detector(pulumi.ComponentResource):
    """Looks at the leader, and takes its key when it is dead. Nobody reaches it: it has no port."""

    def __init__(self, name: str, args: DetectorArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the container; what it has seen is in its memory alone."""
        super().__init__("separuh:estate:Detector", name, None, opts)
        ground, settings = args.ground, args.ground.settings
        here = ground.place
        watched = {
            "cluster": settings.cluster,
            "mark": f"/separuh/{settings.stack}/verdict",
            "silence_seconds": settings.failover.silence_seconds,
            "etcd": [address(settings, here, place, "etcd") for place in (here, *settings.sites)],
            "members": {
                container(settings, site, "db"): {
                    role: address(settings, here, site, role) for role in ("patroni", "db")
                }
                for site in settings.sites
            },
        }
        member(
            self,
            ground,
            Shape(
                role="detector",
                files={"detector.json": json.dumps(watched)},
                health=("bash", "-c", '[ -n "$(find /run/looked -newermt "-30 seconds")" ]'),
            ),
        )
        self.register_outputs({})
