"""The voters of etcd as its members list them; one that has lost its data, or was left behind, is replaced.

A new voter is added as a learner, which counts for nothing until it is promoted: adding one never costs the quorum. Its
first start is told whom it joins by two lines of its settings, which are put back as they are declared before it votes.
With a declared `new`, a voter that loses its data later refuses to start instead of voting twice.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from runbooks.core.command import Command
from runbooks.core.quorum import ETCDCTL

DATA = "/data/etcd"
ASIDE = "/data/before-*"

# How etcd says that it has lost its data, was taken off the list, or is of another cluster.
REFUSALS = ("has already been bootstrapped", "permanently removed from the cluster", "cluster ID mismatch")
_REFUSED = 'docker logs --tail 50 "$1" 2>&1 | grep -aoE "$2" | tail -n 1'
# In a container of its own, as no program runs in that of a stopped member. `$1` is the member, `$2` a script, whose
# arguments follow.
_BESIDE = """
name=$1 script=$2
shift 2
image=$(docker container inspect --format '{{.Image}}' "$name")
exec docker run --rm --network none --user 0:0 --cap-drop ALL --cap-add DAC_OVERRIDE --entrypoint sh \\
  --volume "$name-data:/data" --volume "$name-config:/config" "$image" -euc "$script" sh "$@"
"""
_DECLARED = r"""
file=/config/etcd.yml
declared=$(sed -e '/ #joining$/d' -e 's/^#declared //' "$file")
"""
# Written in its place: a new file would be taken for a change of the settings, and etcd started anew for it.
_JOIN = (
    _DECLARED
    + r"""
printf '%s\n' "$declared" | sed -e "s|^initial-cluster: .*|#declared &\ninitial-cluster: $1 #joining|" \
  -e "s|^initial-cluster-state: .*|#declared &\ninitial-cluster-state: existing #joining|" > /tmp/etcd.yml
cat /tmp/etcd.yml > "$file"
"""
)
_SETTLE = (
    _DECLARED
    + 'printf "%s\\n" "$declared" > /tmp/etcd.yml; cmp -s /tmp/etcd.yml "$file" || cat /tmp/etcd.yml > "$file"'
)


@dataclass(frozen=True, kw_only=True)
class Voter:
    """One member of etcd as the others list it. `name` is "" until it was started for the first time."""

    id: str
    name: str
    peer: str
    learner: bool


@dataclass(frozen=True, kw_only=True)
class Quorum:
    """The members of one etcd cluster, and the cluster's number."""

    cluster: str
    members: tuple[Voter, ...]

    def at(self, peer: str) -> Voter | None:
        """Return the member that is reached at this peer URL."""
        return next((each for each in self.members if each.peer == peer), None)

    @property
    def voters(self) -> tuple[Voter, ...]:
        """Those that vote."""
        return tuple(each for each in self.members if not each.learner)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A member as it sees itself: of which cluster it is, and whether it knows that one's leader."""

    cluster: str
    id: str
    has_leader: bool
    learner: bool


def members() -> Command[Quorum]:
    """Ask for the members, through a majority of them."""
    return Command(argv=(*ETCDCTL, "member", "list", "--write-out=json"), parse=_members, within=6)


def standing() -> Command[Standing]:
    """Ask the member in whose container this runs; it answers without a quorum too."""
    return Command(argv=(*ETCDCTL, "endpoint", "status", "--write-out=json"), parse=_standing, within=6)


def add(name: str, peer: str) -> Command[str]:
    """Let a new member learn. etcd has one learner at a time."""
    return Command(argv=(*ETCDCTL, "member", "add", name, "--learner", f"--peer-urls={peer}"), within=10)


def remove(member: str) -> Command[str]:
    """Take a member off the list for good: with this number it never comes back."""
    return Command(argv=(*ETCDCTL, "member", "remove", member), within=10)


def promote(member: str) -> Command[str]:
    """Let a learner vote. It fails as long as that lacks too much of the log."""
    return Command(argv=(*ETCDCTL, "member", "promote", member), within=10)


def refused(container: str) -> Command[str]:
    """Ask an engine for the last word of a member that cannot be what it was, "" where it has not said so.

    It says so at each start, and the engine starts it again and again.
    """
    argv = ("sh", "-c", _REFUSED, "sh", container, "|".join(REFUSALS))
    return Command(argv=argv, parse=lambda said: said.strip(), within=20)


def empty(container: str) -> Command[str]:
    """Remove a stopped member's data, on its place's engine, and what a failover by hand has set aside of it."""
    return _beside(container, f"rm -rf {DATA} {ASIDE}")


def join(container: str, cluster: dict[str, str]) -> Command[str]:
    """Tell a stopped member, in its settings, the peer URL of each member by name, its own included."""
    told = ",".join(f"{name}={peer}" for name, peer in sorted(cluster.items()))
    return _beside(container, _JOIN, told)


def settle(container: str) -> Command[str]:
    """Make its settings what is declared again; it notices nothing."""
    return _beside(container, _SETTLE)


def _beside(container: str, script: str, *arguments: str) -> Command[str]:
    return Command(argv=("sh", "-euc", _BESIDE, "sh", container, script, *arguments), within=60)


def _members(output: str) -> Quorum:
    said = json.loads(output)
    return Quorum(
        cluster=_number(said["header"]["cluster_id"]),
        members=tuple(
            Voter(
                id=_number(each["ID"]),
                name=each.get("name", ""),
                peer=each["peerURLs"][0],
                learner=bool(each.get("isLearner")),
            )
            for each in said["members"]
        ),
    )


def _standing(output: str) -> Standing:
    (only,) = json.loads(output)
    said = only["Status"]
    return Standing(
        cluster=_number(said["header"]["cluster_id"]),
        id=_number(said["header"]["member_id"]),
        has_leader=bool(said.get("leader")),
        learner=bool(said.get("isLearner")),
    )


def _number(id: int) -> str:  # noqa: A002 - as etcd calls it
    return f"{id:x}"
