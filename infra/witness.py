"""The witness: a place that only votes, so that two sites which lose each other never both decide."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from infra.member import Ground
from infra.quorum import Voter, VoterArgs


@dataclass(frozen=True, kw_only=True)
class WitnessArgs:
    """Where the witness stands."""

    ground: Ground


class Witness(pulumi.ComponentResource):
    """The third voter."""

    def __init__(self, name: str, args: WitnessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the voter."""
        super().__init__("separuh:estate:Witness", name, None, opts)
        Voter(f"{name}-quorum", VoterArgs(ground=args.ground), pulumi.ResourceOptions(parent=self))
        self.register_outputs({})
