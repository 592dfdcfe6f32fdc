"""A site that comes back in a world in memory: its containers, its voter, and a database that cannot be rewound."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from runbooks.adapters import recovery, returning, voters

CLUSTER = 4660
HOPELESS = "2026-01-01 00:00:00 ERROR: Failed to rewind from healthy primary: unit-one-db-1"
PARTED = (
    "2026-01-01 00:00:00.000 UTC [72] FATAL:  could not receive data from WAL stream: ERROR:  requested starting point "
    "0/5000000 on timeline 3 is not in this server's history"
)
REWOUND = "2026-01-01 00:00:00 INFO: running pg_rewind from unit-one-db-1"
REPOSITORY = "2026-01-01 00:00:00 INFO: replica has been created using repository"
# How an undo is known, once something broke.
BACK = ("member remove", "docker stop", "docker start", "cmp -s /tmp/etcd.yml", 'mv -T "$2" "$1"')


@dataclass
class Voter:
    """A member of etcd."""

    id: int
    name: str
    learner: bool = False


@dataclass
class Returning:
    """The place `two` (or the witness), as its engine, the quorum and Patroni tell of it."""

    stack: str = "unit"
    place: str = "two"
    running: set[str] = field(default_factory=set)
    voters: dict[str, Voter] = field(default_factory=lambda: {p: Voter(n, p) for n, p in ((1, "one"), (3, "wit"))})
    cluster: int = CLUSTER  # of which the place's own data is
    emptied: bool = False
    log: str = HOPELESS
    kept: bool = False
    gone: set[str] = field(default_factory=set)  # containers that are not there
    segment: str = "000000010000000000000002"

    @property
    def well(self) -> bool:
        """Whether the database streams."""
        return f"{self.stack}-two-db-1" in self.running and self.log not in (HOPELESS, PARTED)

    def said(self, name: str, argv: Sequence[str]) -> str | None:
        """Return what a command says, None of one that is not about a return."""
        if tuple(argv) == voters.members().argv:
            return self._members()
        if tuple(argv) == voters.standing().argv:
            return self._standing(name)
        if argv[:3] == ("docker", "container", "inspect"):
            known = [each for each in argv[3:] if each not in self.gone]
            states = [(each, each in self.running) for each in known]
            return json.dumps([{"Name": n, "State": {"Running": runs, "Status": ""}} for n, runs in states])
        if argv[0] == "sh" and argv[2] == returning.told("").argv[2]:
            return self.log
        if tuple(argv) == returning.signs().argv:
            return ""
        return None

    def row(self, sql: str) -> list[tuple[str | None, ...]] | None:
        """Return what the leader answers about its log."""
        return [(self.segment,)] if sql == recovery.writing().sql else None

    def undoes(self, words: str) -> bool:
        """Say whether a change takes something back."""
        return any(each in words for each in BACK)

    def done(self, name: str, argv: Sequence[str]) -> None:
        """Change what a command changes."""
        words = " ".join(argv)
        if argv[:2] == ("docker", "stop"):
            self.running.discard(argv[-1])
        elif argv[:2] == ("docker", "start"):
            for container in argv[2:]:
                self._start(container)
        elif "member add" in words:
            self.voters[self.place] = Voter(7, "", learner=True)
        elif "member remove" in words:
            self.voters = {place: each for place, each in self.voters.items() if f"{each.id:x}" != argv[-1]}
        elif "member promote" in words:
            self.voters[self.place].learner = False
        elif argv[0] == "sh" and argv[-1].startswith("rm -rf /data/etcd"):
            self.emptied = True
        elif "initial-cluster-state" in words and "cmp -s" not in words:
            self.cluster = CLUSTER
        elif '[ -e "$2" ] && exit 0' in words:
            self.kept = True
        elif 'mv -T "$2" "$1"' in words:
            self.kept = False

    def _start(self, container: str) -> None:
        self.running.add(container)
        if "-etcd-" in container and self.emptied:
            self.voters[self.place].name = container
        if "-db-" in container and self.log == PARTED:
            self.log = REWOUND
        if "-db-" in container and self.kept:
            self.log = REPOSITORY

    def _members(self) -> str:
        listed: list[dict[str, Any]] = [
            {
                "ID": each.id,
                "name": each.name,
                "peerURLs": [f"https://etcd-1.{place}.link:2380"],
                **({"isLearner": True} if each.learner else {}),
            }
            for place, each in self.voters.items()
        ]
        return json.dumps({"header": {"cluster_id": CLUSTER}, "members": listed})

    def _standing(self, name: str) -> str:
        place = name.split("-")[1]
        header = {"cluster_id": self.cluster, "member_id": self.voters[place].id if place in self.voters else 99}
        return json.dumps([{"Status": {"header": header, "leader": 1}}])


def lost(place: str = "two", **given: Any) -> Returning:
    """Return a place that was left behind by a quorum formed anew without it, all its containers stopped."""
    return Returning(place=place, cluster=99, **given)


def gap(store: Any) -> None:
    """Let a store's archive go on behind segments that it lacks."""
    segment = "000000010000000000000005"
    key = f"pgbackrest/archive/credit/17-1/{segment[:16]}/{segment}-{'0' * 40}.zst"
    store.s3.put_object(Bucket=store.bucket, Key=key, Body=b"x")
