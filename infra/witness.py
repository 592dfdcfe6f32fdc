"""The witness: a place that votes, so that two sites which lose each other never both decide, and that may look on."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from infra.detector import Detector, DetectorArgs
from infra.member import Ground
from infra.quorum import Voter, VoterArgs


@dataclass(frozen=True, kw_only=True)
class WitnessArgs:
    """Where the witness stands."""

    ground: Ground


class Witness(pulumi.ComponentResource):
    """The third voter, and the detector of a dead leader where the stack's config wants it."""

    def __init__(self, name: str, args: WitnessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the voter."""
        super().__init__("separuh:estate:Witness", name, None, opts)
        own = pulumi.ResourceOptions(parent=self)
        Voter(f"{name}-quorum", VoterArgs(ground=args.ground), own)
        if args.ground.settings.failover.detector:
            Detector(f"{name}-detector", DetectorArgs(ground=args.ground), own)
        self.register_outputs({})
