"""A stricken estate in memory: which containers and engines answer, whose votes count, what a failover does to it."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any

from runbooks.adapters import positions, recovery
from runbooks.adapters.patroni import SYNCHRONOUS
from runbooks.core.errors import CommandFailed
from runbooks.core.leader import WRITES

Row = tuple[str | None, ...]
BACK = ("give-its-vote-back", "throw-that-cluster-away", "docker start")
COMMITTED = "2026-01-01T00:00:02.500000+00:00"
SWITCH = "SELECT pg_switch_wal()"


@dataclass
class Stricken:
    """The site `lost` led, `left` stands by; `off` are containers that do not run, `mute` places without an engine."""

    stack: str = "unit"
    lost: str = "one"
    left: str = "two"
    witness: str = "wit"
    off: set[str] = field(default_factory=lambda: {"unit-one-db-1", "unit-one-etcd-1", "unit-wit-etcd-1"})
    mute: set[str] = field(default_factory=set)
    stubborn: set[str] = field(default_factory=set)  # containers that cannot be stopped
    synchronous: bool = True
    paused: bool = False
    said_last: int = 0x5000000  # by the leader, of its log
    head: str = ""
    barred: set[str] = field(default_factory=set)
    alone: bool = False
    leads: bool = False

    def name(self, place: str, role: str) -> str:
        """Return a container's name."""
        return f"{self.stack}-{place}-{role}-1"

    def quorum(self) -> bool:
        """Say whether a majority of the voters runs, or the one that decides alone."""
        names = [self.name(place, "etcd") for place in (self.lost, self.left, self.witness)]
        return self.alone or len([name for name in names if name not in self.off]) > 1

    def row(self, name: str, sql: str) -> list[Row] | None:
        """Return what a database says, None to what has nothing to do with this."""
        self._expect(name)
        leads = self.leads if f"-{self.left}-" in name else not self.leads
        replayed = None if leads else "0/5000000"
        rows: dict[str, Row] = {
            WRITES.sql: ("t" if leads else "f",),
            recovery.timeline().sql: ("2",),
            positions.commits().sql: ("742",),
            positions.ask_position().sql: ("f" if leads else "t", "0/5000000", replayed, COMMITTED),
        }
        return [rows[sql]] if sql in rows else None

    def said(self, name: str, argv: tuple[str, ...]) -> str | None:  # noqa: PLR0911 - a word for each question
        """Return what a command says, None of one that has nothing to do with this."""
        words = " ".join(argv)
        if argv[:3] == ("docker", "container", "inspect"):
            self._expect_engine(name, argv)
            found = [{"Name": each, "State": {"Running": each not in self.off, "Status": ""}} for each in argv[3:]]
            return json.dumps(found)
        if "echo there" in words:
            return "there" if argv[-2] in self.barred else ""
        self._expect(name, argv)
        if "endpoint status" in words:
            leader = 1 if self.quorum() else 0
            status = {"header": {"member_id": 1}, "leader": leader, "raftTerm": 2, "dbSize": 20480}
            return json.dumps([{"Endpoint": "localhost", "Status": status}])
        if f"/separuh/{self.stack}/head" in argv:
            return json.dumps({"id": self.head}) if self.head else ""
        if "/service/credit/" in argv:
            return json.dumps({"kvs": [_pair(key, value) for key, value in self._keys().items()]})
        if "member" in argv:
            return json.dumps({"members": [{"name": self.name(self.left, "etcd")}]})
        return self._cluster() if argv[-1].endswith("/cluster") else None

    def done(self, argv: tuple[str, ...]) -> None:
        """Change what a command changes; CommandFailed where a container cannot be stopped."""
        if argv[:2] == ("docker", "stop"):
            if argv[-1] in self.stubborn:
                raise CommandFailed(argv, "engine", None, "it does not end")
            self.off.add(argv[-1])
        elif argv[:2] == ("docker", "start"):
            self.off.discard(argv[-1])
        elif argv[:2] == ("sh", "-eus"):
            self.off.add(argv[3])
            changes: dict[str, Any] = {
                "set-its-vote-aside": lambda: self.barred.add(argv[3]),
                "give-its-vote-back": lambda: self.barred.discard(argv[3]),
                "be-a-cluster-of-one": lambda: setattr(self, "alone", True),
            }
            changes.get(argv[2], bool)()
        elif argv[-1].endswith("/failover"):
            self.leads = True

    def _keys(self) -> dict[str, str]:
        leader, standby = self.name(self.lost, "db"), self.name(self.left, "db") if self.synchronous else None
        return {
            "leader": leader,
            "sync": json.dumps({"leader": leader, "sync_standby": standby}),
            "status": json.dumps({"optime": self.said_last}),
            "config": json.dumps({"pause": self.paused}),
        }

    def _cluster(self) -> str:
        members = [{"name": self.name(self.left, "db"), "role": SYNCHRONOUS, "state": "streaming"}]
        if self.leads:
            members[0] |= {"role": "leader", "state": "running"}
        else:
            members.append({"name": self.name(self.lost, "db"), "role": "leader", "state": "running"})
        return json.dumps({"members": members})

    def _expect(self, name: str, argv: tuple[str, ...] = ("psql",)) -> None:
        if name in self.off or name.split("-")[1:2] in [[place] for place in self.mute]:
            raise CommandFailed(argv, name, 1, f"container {name} is not running")

    def _expect_engine(self, place: str, argv: tuple[str, ...]) -> None:
        if place in self.mute:
            raise CommandFailed(argv, place, 1, "Cannot connect to the Docker daemon")


def _pair(key: str, value: str) -> dict[str, str]:
    return {"key": _encoded(f"/service/credit/{key}"), "value": _encoded(value)}


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
