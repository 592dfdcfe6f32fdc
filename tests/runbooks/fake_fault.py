"""A fault in a world in memory: who is down, who is cut off, and what both sides have written meanwhile."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from infra.images import ROLES
from runbooks.core.figures import Figures, Gateway
from runbooks.core.probe import Order

PATHS = ("pooler", "route", "db-one", "db-two")


@dataclass
class Falling:
    """What is struck. `heals`: another leader takes over; `peers` answer through a link that is cut."""

    down: set[str] = field(default_factory=set)
    cut: set[str] = field(default_factory=set)
    killed: bool = False  # the leader's PostgreSQL
    heals: bool = True
    leaks: bool = False
    heard: str = ""  # what the writers of a site say

    @property
    def struck(self) -> bool:
        """Whether anything is."""
        return bool(self.down or self.cut or self.killed)

    def row(self, sql: str) -> list[tuple[str | None, ...]] | None:
        """Return what a database answers, None to a question of another kind."""
        if "pg_postmaster_start_time" in sql:
            return [("later" if self.killed else "before",)]
        if "split_part(id" in sql:
            return [(f"{site}/{path}",) for site in ("one", "two") for path in PATHS]
        if "separuh_drill.write WHERE" in sql:
            return [("99",)]
        return [("one/route/0/1",)] if "SELECT id FROM separuh_drill" in sql else None

    def said(self, argv: Sequence[str]) -> str | None:
        """Return what a command says, None of one of another kind."""
        if "list ruleset" in " ".join(argv):
            return "10.0.0.1 timeout 90s expires 80s" if argv[argv.index("--network") + 1] in self.cut else ""
        if argv[0] == "sh" and "/dev/tcp" in argv[2]:
            return "yes" if self.leaks or not self.cut else "no"
        if argv[0] == "nice":
            return self.heard
        names = argv[3:]
        if tuple(argv[:3]) == ("docker", "container", "inspect") and _members(names):
            return json.dumps([self._inspected(name) for name in names if not name.endswith("-fault")])
        return None

    def _inspected(self, name: str) -> dict[str, Any]:
        state = {"Running": name not in self.down, "Status": ""}
        networks = {"unit-link": {"IPAddress": f"10.0.0.{len(name)}"}}
        return {"Name": name, "State": state, "NetworkSettings": {"Networks": networks}}

    def done(self, argv: Sequence[str], stdin: str) -> bool:
        """Do what a command does, and say whether a leader has fallen by it."""
        words, before = " ".join(argv), self.struck
        if "nft" in argv:
            name = argv[argv.index("--network") + 1]
            (self.cut.add if "add element" in stdin else self.cut.discard)(name)
        elif "hold" in argv:
            self.down = set(argv[argv.index("hold") + 2 :])
        elif "docker start" in words:
            self.down.clear()
        elif "postmaster.pid" in words:
            self.killed = True
        return self.heals and self.struck and not before


def _members(names: Sequence[str]) -> bool:
    return all(name.split("-")[2:3] in ([role] for role in (*ROLES, "fault")) for name in names)


class FakeCustomers:
    """Customers who were without for `outage` seconds at the second gateway, and for longer at the first."""

    outage, void = 1.5, ""

    def __init__(self, order: Order) -> None:
        """Nothing is paid before `start`."""
        self.order = order

    def start(self) -> FakeCustomers:
        """Begin."""
        return self

    def stop(self) -> Figures:
        """Return what was seen."""
        seen = {name: self._seen(outage) for name, outage in zip(self.order.gateways, (9.9, self.outage), strict=True)}
        return Figures(
            rate=self.order.rate,
            seconds=9.0,
            sent=10,
            acknowledged=8,
            failed_requests=2,
            retried=0,
            write_stall_seconds=9.9,
            late_p99_seconds=0.0,
            void=self.void,
            gateways=seen,
        )

    def _seen(self, outage: float) -> Gateway:
        return Gateway(
            sent=5,
            acknowledged=4,
            failed_requests=1,
            retried=0,
            p50=1.0,
            p90=1.0,
            p99=1.0,
            max=1.0,
            write_stall_seconds=outage,
            reasons={},
        )

    def __exit__(self, *_: object) -> None:
        """End."""
