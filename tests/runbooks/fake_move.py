"""A leader that moves in a world in memory, the gates that wait for it, and what keeps it from moving."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

SESSION = ("4711", "credit", "credit", "psql", "10.0.0.9")
ETCD = {"header": {"member_id": 1}, "leader": 1, "raftTerm": 2, "dbSize": 20480}


@dataclass
class Moving:
    """Who leads, by site, and how everything stands that a move asks about."""

    leads: str
    follows: str
    gates: dict[str, dict[str, Any]] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)  # sites whose pooler is paused
    patroni_paused: bool = False
    role: str = "sync_standby"
    voterless: set[str] = field(default_factory=set)  # places whose etcd has no quorum
    unreached: set[str] = field(default_factory=set)  # sites whose route leads nowhere
    silent: set[str] = field(default_factory=set)  # containers that do not answer
    refuses: bool = False
    told: bool = True
    alone: bool = False  # no standby streams

    def said(self, argv: tuple[str, ...], place: list[str], names: dict[str, str]) -> str | None:
        """Return what a command at `place` says, None for one of another kind; `names` are the databases by site."""
        if argv[-1].endswith("/cluster"):
            return self.cluster(names)
        if argv[0] == "gate":
            return self.passage(*place)
        return self.etcd(*place) if "etcdctl" in argv and "endpoint" in argv[2] else None

    def cluster(self, names: dict[str, str]) -> str:
        """Return Patroni's view; `names` are the databases by site."""
        leader = {"name": names[self.leads], "role": "leader", "state": "running", "timeline": 1}
        standby = {"name": names[self.follows], "role": self.role, "state": "streaming", "timeline": 1, "lag": 0}
        members = [leader] if self.alone else [leader, standby]
        return json.dumps({"members": members, **({"pause": True} if self.patroni_paused else {})})

    def etcd(self, place: str) -> str:
        """Return what a voter says of itself."""
        status = {**ETCD, "leader": 0} if place in self.voterless else ETCD
        return json.dumps([{"Endpoint": "localhost", "Status": status}])

    def passage(self, site: str) -> str:
        """Return what `gate look` prints."""
        trouble = "connection refused" if site in self.unreached else ""
        return json.dumps({"paused": site in self.held, "trouble": trouble, "gate": self.gates.get(site)})

    def gate(self, site: str, verb: str, *arguments: str) -> None:
        """Do what the program `gate` does."""
        if verb == "wait":
            self.gates[site] = {"pid": 1, "run": arguments[0], "state": "waiting"}
        elif verb == "dismiss":
            self.gates.pop(site, None)
        self.held.discard(site)

    def move(self) -> None:
        """Let the other site lead, as Patroni and the gates do it."""
        self.leads, self.follows = self.follows, self.leads
        for gate in self.gates.values():
            if gate["state"] == "waiting":
                done = {"told": self.told, "held": 0.7, "seconds": {"quiet": 0.1, "leader": 0.69}}
                gate.update(state="moved", **done)
