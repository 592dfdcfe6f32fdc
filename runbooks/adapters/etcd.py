"""etcd: which members answer, and who leads them."""

from __future__ import annotations

import json
from dataclasses import dataclass

from infra.settings import PORTS
from runbooks.core.command import Command

TLS = ("--cacert=/config/ca.crt", "--cert=/config/tls.crt", "--key=/config/tls.key")

# Its members are asked for by HTTP, which it answers by itself, at once, also without a quorum.
_STATUS = """
"$@" endpoint status --write-out=json || exit
curl -sS --max-time 1 --cacert /config/ca.crt --cert /config/tls.crt --key /config/tls.key --data "{}" "$0" || true
"""


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One member, as it describes itself: its raft term, and whether it knows a leader and is it.

    `voters` are the names of all members of its cluster, () where it did not say.
    """

    address: str
    has_leader: bool
    leads: bool
    term: int
    database_bytes: int
    voters: tuple[str, ...] = ()


def status(address: str = "") -> Command[Endpoint]:
    """Ask the member in whose container this runs, or the one at `address` (https://host:port)."""
    at = (f"--endpoints={address}",) if address else ()
    asked = address or f"https://localhost:{PORTS['etcd']}"
    etcdctl = ("etcdctl", *TLS, *at, "--dial-timeout=2s", "--command-timeout=3s")
    return Command(argv=("sh", "-c", _STATUS, f"{asked}/v3/cluster/member/list", *etcdctl), parse=_status, within=5)


def _status(output: str) -> Endpoint:
    first, _, second = output.partition("\n")
    (only,) = json.loads(first)
    members = json.loads(second)["members"] if second.strip() else ()
    said = only["Status"]
    leader = said.get("leader", 0)
    return Endpoint(
        address=only["Endpoint"],
        has_leader=leader != 0,
        leads=leader != 0 and leader == said["header"]["member_id"],
        term=said["raftTerm"],
        database_bytes=said["dbSize"],
        voters=tuple(sorted(member.get("name", "") for member in members)),
    )
