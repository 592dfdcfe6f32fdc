"""What a game day strikes a site with: processes killed, containers held down, a link that drops in silence.

Whatever is struck is lifted by itself: dropped packets by the kernel, whose list of peers forgets each after its time,
and containers by a helper beside their engine. No runner is needed for either.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Literal

from runbooks.core.command import Command

Direction = Literal["both", "in", "out"]
SOCKET = "/var/run/docker.sock"
NO_ROOT = ("--user", "0", "--cap-drop", "ALL")  # root without root's rights

# A set of its own for each chain, so that a rule without peers drops nothing. Made anew as a whole: there is no moment
# in which half of it stands.
_FORGET = "add table inet separuh\ndelete table inet separuh\n"
_CUT = (
    _FORGET
    + """table inet separuh {{
  set peers {{ type ipv4_addr; flags timeout; }}
{chains}}}
add element inet separuh peers {{ {peers} }}
"""
)
_CHAINS = {
    "in": "  chain incoming { type filter hook input priority raw; ip saddr @peers drop; }\n",
    "out": "  chain outgoing { type filter hook output priority raw; ip daddr @peers drop; }\n",
}

# The number of the first of all of its processes is the first line of the file that it keeps while it lives.
_KILL_SERVER = 'kill -9 "$(head -n 1 "$0/postmaster.pid")"'

# Started first, so that a helper that is removed has nothing left to do.
_LET_UP = """
helper=$1
shift
docker start "$@" || exit
docker rm --force "$helper" || ! docker container inspect "$helper"
"""


def kill_server(path: str) -> Command[str]:
    """Kill PostgreSQL's first process in its container, without a word; `path` is its data folder."""
    return Command(argv=("sh", "-euc", _KILL_SERVER, path), within=10)


def hold_down(helper: str, image: str, names: Sequence[str], seconds: int) -> Command[str]:
    """Kill the containers `names` at once and keep them down for `seconds`, by a container called `helper`.

    A killed container stays down, whatever its restart policy is. The helper survives a restart of its engine.
    """
    argv = (
        *("docker", "run", "--detach", "--name", helper, "--restart", "unless-stopped", "--network", "none"),
        *(*NO_ROOT, "--security-opt", "no-new-privileges:true", "--log-driver", "local"),
        *("--volume", f"{SOCKET}:{SOCKET}", image, "hold", str(seconds), *names),
    )
    return Command(argv=argv, within=60)


def let_up(helper: str, names: Sequence[str]) -> Command[str]:
    """Start the containers `names` now, and let the helper go; what runs already is no error."""
    return Command(argv=("sh", "-c", _LET_UP, "sh", helper, *names), within=120)


def cut(container: str, image: str, peers: Collection[str], direction: Direction, seconds: int) -> Command[str]:
    """Drop what `container` sends to the addresses `peers` (out), what they send to it (in), or both, for `seconds`."""
    chains = "".join(_CHAINS[way] for way in ("in", "out") if direction in (way, "both"))
    elements = ", ".join(f"{peer} timeout {seconds}s" for peer in sorted(peers))
    return _nft(container, image, "-f", "-", stdin=_CUT.format(chains=chains, peers=elements))


def mend(container: str, image: str) -> Command[str]:
    """Drop nothing any more; that nothing was dropped is no error."""
    return _nft(container, image, "; ".join(_FORGET.splitlines()))


def dropped(container: str, image: str) -> Command[int]:
    """Ask how many peers a container is cut off from."""
    command = _nft(container, image, "list", "ruleset")
    return Command(argv=command.argv, parse=lambda said: said.count(" expires "), within=command.within)


def works(image: str) -> Command[str]:
    """See whether the engine's kernel knows how to cut: in a network of its own, where nobody is."""
    argv = ("docker", "run", "--rm", "--interactive", "--network", "none", *NO_ROOT, "--cap-add", "NET_ADMIN")
    return Command(
        argv=(*argv, image, "nft", "-f", "-"),
        stdin=_CUT.format(chains="".join(_CHAINS.values()), peers="192.0.2.1 timeout 1s"),
    )


def addresses(network: str, names: Sequence[str]) -> Command[list[str]]:
    """Ask an engine for the IPv4 addresses that those of `names` which run have in a network of its own."""

    def parse(said: str) -> list[str]:
        found = [each["NetworkSettings"]["Networks"].get(network) for each in json.loads(said or "[]")]
        return [each["IPAddress"] for each in found if each and each["IPAddress"]]

    return Command(argv=("docker", "container", "inspect", *names), parse=parse, within=10, ok=(0, 1))


def is_there(image: str) -> Command[bool]:
    """Ask an engine whether it has an image."""
    argv = ("docker", "image", "inspect", "--format", "{{.Id}}", image)
    return Command(argv=argv, parse=lambda said: bool(said.strip()), within=10, ok=(0, 1))


def answers(address: str, within: int = 1) -> Command[bool]:
    """Ask in a container whether anybody takes a connection at `address` (host:port) within so many seconds."""
    host, _, port = address.rpartition(":")
    script = 'timeout "$0" bash -c "</dev/tcp/$1/$2" 2>/dev/null && echo yes || echo no'
    argv = ("sh", "-c", script, str(within), host, port)
    return Command(argv=argv, parse=lambda said: said.strip() == "yes", within=within + 9)


def _nft(container: str, image: str, *argv: str, stdin: str | None = None) -> Command[str]:
    """Run nft in the network of a container, with the one right that takes."""
    run = ("docker", "run", "--rm", "--interactive", "--network", f"container:{container}", "--read-only")
    return Command(argv=(*run, *NO_ROOT, "--cap-add", "NET_ADMIN", image, "nft", *argv), stdin=stdin, within=30)
