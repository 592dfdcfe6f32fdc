"""etcd without its quorum: what it knew last, a cluster of one made out of it, and a voter kept out of the old cluster.

`--force-new-cluster` keeps the cluster's id and writes down that the others were removed for good. Whichever of them
reaches this one later is told so, and ends at once (seen); of a new id they would only be refused, and go on as the
majority that they are. The data of a voter that answers is set aside, so that the old cluster has no majority.
"""

from __future__ import annotations

import base64
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runbooks.core.command import Command
from runbooks.core.quorum import ETCDCTL

# On the engine's machine: the voter is stopped, and a script works on its two volumes in a container of its own image.
# It comes by stdin, so that a plan reads as what is done, and not how.
_BESIDE = """
beside() {
  shift
  name=$1
  shift
  docker stop --time 10 "$name" > /dev/null
  image=$(docker container inspect --format '{{.Image}}' "$name")
  docker run --rm --network none --cap-drop ALL --security-opt no-new-privileges:true \\
    --volume "$name-config:/config" --volume "$name-data:/data" --entrypoint sh "$image" -euc "$script" "$name" "$@"
}
beside "$@" < /dev/null
exit
"""
# Read at its first start alone: it joins the cluster of the survivor, or does not start. `new` would found the old
# cluster again, with the same ids, together with whoever else has lost its data.
# What was declared stays beside it, as `voters` has it, who puts it back.
_JOINING = r"""
sed -e '/ #joining$/d' -e 's/^#declared //' /config/etcd.yml |
  sed -e "s|^initial-cluster-state:.*|#declared &\ninitial-cluster-state: existing #joining|" \
    -e "s|^initial-cluster-token:.*|#declared &\ninitial-cluster-token: $2 #joining|" \
    -e "s|^initial-cluster:.*|#declared &\ninitial-cluster: $3 #joining|" > /config/etcd.yml.new
chmod 0400 /config/etcd.yml.new
mv /config/etcd.yml.new /config/etcd.yml
"""
_BAR = f"""
kept=/data/before-$1
if [ ! -e "$kept" ]; then
  rm -rf "$kept.new"
  mkdir "$kept.new"
  cp /config/etcd.yml "$kept.new/etcd.yml"
  mv "$kept.new" "$kept"
fi
{_JOINING}
[ ! -e /data/etcd ] || [ -e "$kept/etcd" ] || mv /data/etcd "$kept/etcd"
touch "$kept/barred"
"""
_UNBAR = """
kept=/data/before-$1
[ -e "$kept" ] || exit 0
if [ -e "$kept/etcd" ]; then
  rm -rf /data/etcd
  mv "$kept/etcd" /data/etcd
fi
cp "$kept/etcd.yml" /config/etcd.yml.new
chmod 0400 /config/etcd.yml.new
mv /config/etcd.yml.new /config/etcd.yml
rm -rf "$kept"
"""
# Made in a copy, where nobody reaches it: what it must forget is forgotten before anybody reads.
_PART = """
alone=/data/alone-$1
if [ "$(cat /data/reformed 2> /dev/null)" = "$1" ] || [ -e "$alone" ]; then exit 0; fi
rm -rf /data/alone.new /data/alone-*
cp -a /data/etcd /data/alone.new
peer=http://127.0.0.1:12380 client=http://127.0.0.1:12379
etcd --name "$0" --data-dir /data/alone.new --force-new-cluster --log-level error \\
  --listen-client-urls $client --advertise-client-urls "$2" \\
  --listen-peer-urls $peer --initial-advertise-peer-urls $peer --initial-cluster "$0=$peer" &
shift 2
ctl() { etcdctl --endpoints=$client --command-timeout=5s "$@"; }
until ctl endpoint health > /dev/null 2>&1; do
  kill -0 $! || exit 1
  sleep 0.2
done
[ "$(ctl member list | wc -l)" = 1 ]
for key; do ctl del "$key" > /dev/null; done
kill $!
wait $! || true
mv /data/alone.new "$alone"
"""
_UNPART = "rm -rf /data/alone.new /data/alone-*"
_SWAP = f"""
{_JOINING}
if [ -e "/data/alone-$1" ]; then
  if [ -e /data/etcd ]; then
    rm -rf /data/old
    mv /data/etcd /data/old
  fi
  mv "/data/alone-$1" /data/etcd
  echo "$1" > /data/reformed
fi
rm -rf /data/old
"""


@dataclass(frozen=True, kw_only=True)
class LastKnown:
    """What one voter knows of the database cluster, read without asking the others; "" and 0 where it knows nothing.

    `position` is the leader's last word of how far its log goes, in bytes. `synchronous` are the standbys that hold
    every payment that `sync_leader` acknowledged.
    """

    leader: str = ""
    sync_leader: str = ""
    synchronous: tuple[str, ...] = ()
    position: int = 0
    paused: bool = False


def last_known(cluster: str) -> Command[LastKnown]:
    """Ask a voter, in its container, what it has of Patroni's keys; it answers without a quorum too."""
    argv = (*ETCDCTL, "get", f"/service/{cluster}/", "--prefix", "--consistency=s", "--write-out=json")
    return Command(argv=argv, parse=lambda said: _last_known(said, f"/service/{cluster}/"), within=6)


def head(stack: str) -> Command[str]:
    """Ask a voter likewise for the id of a run that was left unfinished, "" where none was."""
    argv = (*ETCDCTL, "get", f"/separuh/{stack}/head", "--print-value-only", "--consistency=s")
    return Command(argv=argv, parse=lambda said: json.loads(said)["id"] if said.strip() else "", within=6)


def voters() -> Command[tuple[str, ...]]:
    """Ask a voter who votes."""
    return Command(argv=(*ETCDCTL, "member", "list", "--write-out=json"), parse=_names, within=6)


def bar(name: str, run: str, token: str, peers: Mapping[str, str]) -> Command[str]:
    """Stop the voter `name`, and set its data aside: the old cluster has one vote fewer, whoever starts it.

    Its file says from now on that it is to join the cluster of `peers` (URLs by name, its own among them).
    """
    return _beside("set-its-vote-aside", name, _BAR, run, token, _list(peers))


def is_barred(name: str, run: str) -> Command[bool]:
    """Ask the engine's machine whether that was done. CommandFailed where there is no such container."""
    return _has(name, f"before-{run}/barred")


def is_begun(name: str, run: str) -> Command[bool]:
    """Ask likewise whether that was begun, so that there is something to give back."""
    return _has(name, f"before-{run}")


def unbar(name: str, run: str) -> Command[str]:
    """Give the voter back what `bar` took from it. It is stopped for that, and stays so."""
    return _beside("give-its-vote-back", name, _UNBAR, run)


def part(name: str, run: str, client: str, forget: tuple[str, ...] = ()) -> Command[str]:
    """Stop the voter, and make of a copy of its data a cluster of which it is the only member, without keys `forget`.

    `client` is the URL under which others reach it.
    """
    return _beside("make-a-cluster-of-one", name, _PART, run, client, *forget)


def unpart(name: str) -> Command[str]:
    """Throw that copy away; the voter stays stopped."""
    return _beside("throw-that-cluster-away", name, _UNPART)


def swap(name: str, run: str, token: str, peers: Mapping[str, str]) -> Command[str]:
    """Put the copy in the place of its data; it stays stopped. Done already is no error."""
    return _beside("be-a-cluster-of-one", name, _SWAP, run, token, _list(peers))


def _has(name: str, path: str) -> Command[bool]:
    script = (
        'image=$(docker container inspect --format "{{.Image}}" "$1") && docker run --rm --network none '
        '--volume "$1-data:/data:ro" --entrypoint sh "$image" -c "[ -e \\"/data/$2\\" ] && echo there; true"'
    )
    argv = ("sh", "-c", script, "sh", name, path)
    return Command(argv=argv, parse=lambda said: said.strip() == "there", within=30)


def _beside(what: str, name: str, script: str, *arguments: str) -> Command[str]:
    stdin = f"script={shlex.quote(script)}\n{_BESIDE}"
    return Command(argv=("sh", "-eus", what, name, *arguments), stdin=stdin, within=120)


def _list(peers: Mapping[str, str]) -> str:
    return ",".join(f"{name}={url}" for name, url in peers.items())


def _names(output: str) -> tuple[str, ...]:
    return tuple(member.get("name", "") for member in json.loads(output)["members"])


def _last_known(output: str, prefix: str) -> LastKnown:
    found = {
        _text(pair["key"]).removeprefix(prefix): _text(pair["value"]) for pair in json.loads(output).get("kvs", ())
    }
    sync, status, config = (_object(found.get(key, "")) for key in ("sync", "status", "config"))
    return LastKnown(
        leader=found.get("leader", ""),
        sync_leader=sync.get("leader") or "",
        synchronous=tuple(filter(None, (sync.get("sync_standby") or "").split(","))),
        position=int(status.get("optime") or 0),
        paused=bool(config.get("pause")),
    )


def _object(text: str) -> dict[str, Any]:
    return dict(json.loads(text)) if text else {}


def _text(encoded: str) -> str:
    return base64.b64decode(encoded).decode()
