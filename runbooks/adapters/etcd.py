"""etcd: which members answer, and who leads them."""

from __future__ import annotations

import json
from dataclasses import dataclass

from runbooks.core.command import Command

TLS = ("--cacert=/config/ca.crt", "--cert=/config/tls.crt", "--key=/config/tls.key")


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One member, as it describes itself: its raft term, and whether it knows a leader and is it."""

    address: str
    has_leader: bool
    leads: bool
    term: int
    database_bytes: int


def status(address: str = "") -> Command[Endpoint]:
    """Ask the member in whose container this runs, or the one at `address` (https://host:port)."""
    at = (f"--endpoints={address}",) if address else ()
    argv = ("etcdctl", *TLS, *at, "--dial-timeout=2s", "--command-timeout=3s", "endpoint", "status", "--write-out=json")
    return Command(argv=argv, parse=_status, within=5)


def _status(output: str) -> Endpoint:
    (only,) = json.loads(output)
    said = only["Status"]
    leader = said.get("leader", 0)
    return Endpoint(
        address=only["Endpoint"],
        has_leader=leader != 0,
        leads=leader != 0 and leader == said["header"]["member_id"],
        term=said["raftTerm"],
        database_bytes=said["dbSize"],
    )
