"""What a game day has shown, for people who were not there: one immutable JSON, as `evidence` is of a restore drill."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Literal

from pydantic.dataclasses import dataclass

from runbooks.core.evidence import STRICT, Check, Objective, Verdict, dumped, every, parsed, verdict_of

# Each check's title in Indonesian and English. A check that is here must have passed: one left out is no proof.
CHECKS: Mapping[str, tuple[str, str]] = {
    "struck": ("Gangguan benar-benar terjadi", "The fault was in place"),
    "recovered": ("Pembayaran berjalan lagi dengan sendirinya", "Payments went on by themselves"),
    "payments": ("Semua pembayaran yang diakui masih ada", "Every acknowledged payment is there"),
    "books": ("Pembukuan seimbang", "The books balance"),
    "one_leader": ("Tidak pernah ada dua pemimpin", "There were never two leaders"),
    "rejoined": ("Situs bergabung kembali dengan sendirinya", "The site came back by itself"),
    "measured": ("Pengukuran sah", "The measurement is valid"),
}


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Fault:
    """What was struck: `kind` at `site`, one `direction` of its link or both. Times are ISO 8601 in UTC."""

    kind: str
    site: str
    direction: str
    struck_at: str
    lifted_at: str


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Gateway:
    """What customers saw at one gateway. `spared`: it could serve while the fault lasted, and counts for the RTO."""

    outage_seconds: float
    spared: bool


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Customers:
    """What customers saw. `failed` were not answered in time, `lost` were acknowledged and are gone."""

    rate: float
    sent: int
    acknowledged: int
    retried: int
    failed: int
    lost: int
    gateways: Mapping[str, Gateway]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Written:
    """Writes acknowledged by one path from one site, how many of them by the new leader.

    `refused` are those that were not acknowledged, once the fault was in place.
    """

    site: str
    path: str
    acknowledged: int
    later: int
    refused: int


@dataclass(frozen=True, kw_only=True, config=STRICT)
class GameDay:
    """One fault, and what became of the estate. `run` is its id in the ledger, `key` names the key that checks it.

    `leader_seconds`: until there was another leader; `rejoined_seconds`: from the fault's end until in sync again.
    """

    run: str
    stack: str
    operator: str
    commit: str
    change: str
    started_at: str
    ended_at: str
    seconds: float
    fault: Fault
    led: str
    leads: str
    leader_seconds: float | None
    rejoined_seconds: float | None
    customers: Customers | None
    written: tuple[Written, ...]
    checks: tuple[Check, ...]
    rto: Objective
    key: str = ""
    drill: Literal["failover"] = "failover"
    format: Literal[1] = 1

    @property
    def every_check(self) -> tuple[Check, ...]:
        """Return all of `CHECKS`, in their order; those that were not made are `not run`."""
        return every(CHECKS, self.checks)

    @property
    def verdict(self) -> Verdict:
        """Return what the checks come to: sides that were not written to are no failure, and no proof."""
        return verdict_of(self.every_check)

    @property
    def proved(self) -> bool:
        """Whether every check there is has passed."""
        return self.verdict == "proved"

    def dump(self) -> str:
        """Return it as JSON, with sorted keys."""
        return dumped(self)

    @classmethod
    def parse(cls, text: str | bytes) -> GameDay:
        """Return what `dump` wrote. SeparuhError if it is no evidence of a game day that is known here."""
        return parsed(cls, text)


def is_one(text: str | bytes) -> bool:
    """Say whether evidence is of a game day."""
    try:
        said = json.loads(text)
    except ValueError:
        return False
    return isinstance(said, dict) and said.get("drill") == "failover"
