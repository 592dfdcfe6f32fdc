"""Patroni: who leads, who follows, how far behind, on which timeline."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runbooks.core.command import Command
from runbooks.core.errors import NotReady

CONFIG = "/config/patroni.yml"
REST = "https://localhost:8008"
CA = "/config/ca.crt"
CURL = ("curl", "-sS", "--fail", "--max-time", "5", "--cacert", CA)
OWN = ("--cert", "/config/tls.crt", "--key", "/config/tls.key")  # whoever changes something shows who it is
ANSWERED, STILL_AT_IT = 0, 28  # of curl: 28 when its time is up
SYNCHRONOUS = "sync_standby"
LEADERS = ("leader", "standby_leader")
HEALTHY = ("running", "streaming")


@dataclass(frozen=True, kw_only=True)
class Member:
    """One PostgreSQL under Patroni. `lag_bytes` is None where Patroni does not know it; `timeline` 0 likewise."""

    name: str
    role: str
    state: str
    timeline: int
    lag_bytes: int | None

    @property
    def healthy(self) -> bool:
        """Whether it serves, or replays what the leader sends."""
        return self.state in HEALTHY


@dataclass(frozen=True)
class Cluster:
    """All members that Patroni knows. `paused`: somebody told it to leave everything as it is."""

    members: tuple[Member, ...]
    paused: bool = False

    @property
    def leader(self) -> Member:
        """The member that takes writes; NotReady if there is none now."""
        for member in self.members:
            if member.role in LEADERS and member.state == "running":
                return member
        raise NotReady(
            "no member leads now; Patroni elects one by itself while etcd has a quorum. ./inv status shows both"
        )

    @property
    def standbys(self) -> tuple[Member, ...]:
        """The members that stream from the leader, those in sync first."""
        following = [m for m in self.members if m.role not in LEADERS and m.healthy]
        return tuple(sorted(following, key=lambda member: member.role != SYNCHRONOUS))

    @property
    def in_sync(self) -> bool:
        """Whether a standby holds every acknowledged commit."""
        return any(member.role == SYNCHRONOUS and member.healthy for member in self.members)


def cluster() -> Command[Cluster]:
    """Ask a member's own REST service, from inside its container, for the whole cluster.

    Not patronictl, which takes a second to start. The certificate is checked against the stack's own authority.
    """
    return Command(argv=(*CURL, f"{REST}/cluster"), parse=_cluster, within=8)


def shared() -> Command[dict[str, Any]]:
    """Ask for what all members share, as Patroni keeps it in etcd."""
    return Command(argv=(*CURL, f"{REST}/config"), parse=json.loads, within=8)


def share(values: Mapping[str, object]) -> Command[str]:
    """Set `values` for all members; what they do not name stays. Patroni wants a certificate of the stack for it."""
    argv = (*CURL, *OWN, "--request", "PATCH", "--data", "@-", f"{REST}/config")
    return Command(argv=argv, stdin=json.dumps(values), within=8)


def switchover(leader: str, candidate: str) -> Command[str]:
    """Have the leader hand over to `candidate`. Patroni looks once a second whether it has, and answers then.

    CommandFailed with its words where it refuses. No answer in time is none: it is still at it.
    """
    told = ("--fail-with-body", "--output", "/dev/stderr", "--max-time", "4")
    argv = ("curl", "-sS", "--cacert", CA, *OWN, *told, "--data", "@-", f"{REST}/switchover")
    order = json.dumps({"leader": leader, "candidate": candidate})
    return Command(argv=argv, stdin=order, within=8, ok=(ANSWERED, STILL_AT_IT))


def failover(candidate: str) -> Command[str]:
    """Have `candidate` lead, also where nobody leads, Patroni is paused, or it was not in sync. Asked of the candidate.

    CommandFailed with its words where it refuses. No answer in time is none: it is still at it.
    """
    told = ("--fail-with-body", "--output", "/dev/stderr", "--max-time", "4")
    argv = ("curl", "-sS", "--cacert", CA, *OWN, *told, "--data", "@-", f"{REST}/failover")
    return Command(argv=argv, stdin=json.dumps({"candidate": candidate}), within=8, ok=(ANSWERED, STILL_AT_IT))


def listing() -> Command[Cluster]:
    """Ask patronictl, which reads etcd and so answers where the member's own Patroni does not."""
    return Command(argv=("patronictl", "-c", CONFIG, "list", "-f", "json"), parse=_listing, within=15)


def _cluster(output: str) -> Cluster:
    said = json.loads(output)
    return Cluster(
        tuple(
            Member(
                name=member["name"],
                role=member["role"],
                state=member["state"],
                timeline=int(member.get("timeline", 0)),
                lag_bytes=_bytes(member.get("lag")),
            )
            for member in said["members"]
        ),
        paused=bool(said.get("pause")),
    )


def _listing(output: str) -> Cluster:
    return Cluster(
        tuple(
            Member(
                name=row["Member"],
                role=row["Role"].lower().replace(" ", "_"),
                state=row["State"],
                timeline=int(row.get("TL") or 0),
                lag_bytes=_bytes(row.get("Lag in MB"), unit=1024 * 1024),
            )
            for row in json.loads(output)
        )
    )


def _bytes(lag: object, unit: int = 1) -> int | None:
    return int(lag) * unit if isinstance(lag, int) else None
