"""etcd by its JSON gateway, with this container's certificate. Every read is one that a majority has agreed on."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
from collections.abc import Mapping, Sequence
from typing import Any

from dead_leader.verdict import View

WITHIN = 1.0  # seconds for one answer
WORTH = 3  # seconds that a verdict is worth, counted by etcd from before the look that led to it
IN_THE_WAY = (OSError, http.client.HTTPException, ValueError, KeyError, TypeError)
# What a leader that lives, or an operator, writes. `members/<leader>` is added.
WRITTEN = ("leader", "sync", "status", "config", "failover")


class Etcd:
    """The members of etcd, of which one is asked until it fails."""

    def __init__(self, hosts: Sequence[str], prefix: str, context: ssl.SSLContext) -> None:
        """`hosts` are `host:port`, the nearest first; `prefix` is the cluster's, with a slash at its end.

        The nearest gets a second chance each time: it may only have lost its leader, the others a whole site.
        """
        nearest, *others = hosts
        self._hosts = [host for other in others for host in (nearest, nearest, other)]
        self._prefix, self._context = prefix, context
        self._open: http.client.HTTPSConnection | None = None

    def view(self) -> View:
        """Return how the cluster stands; one of IN_THE_WAY when no majority answers in time."""
        found = self._call("kv/range", {"key": _b64(self._prefix), "range_end": _b64(_after(self._prefix))})
        keys = {_text(kv["key"]).removeprefix(self._prefix): kv for kv in found.get("kvs", ())}
        lease = keys.get("leader", {}).get("lease", "0")
        time = self._call("lease/timetolive", {"ID": lease}) if lease != "0" else {}
        return view(keys, time)

    def mark(self, key: str) -> int:
        """Write `key` for as long as a verdict is worth, and return its revision."""
        lease = self._call("lease/grant", {"TTL": WORTH})["ID"]
        put = self._call("kv/put", {"key": _b64(key), "value": _b64("a verdict may follow"), "lease": lease})
        return int(put["header"]["revision"])

    def depose(self, seen: View, mark: tuple[str, int]) -> bool:
        """Take the leader's key away if nothing was written since it was `seen`, and the mark still stands.

        `sync` is written anew with what it holds, in the same transaction: a leader that lives and does not know yet
        can no longer take its standby out of it, as it must before it may acknowledge alone.
        """
        revisions = {self._prefix + name: revision for name, revision in seen.revisions} | dict([mark])
        conditions: list[dict[str, Any]] = [
            {"key": _b64(key), "target": "MOD", "mod_revision": str(revision)} for key, revision in revisions.items()
        ]
        leader = _b64(self._prefix + "leader")
        conditions.append({"key": leader, "target": "LEASE", "lease": seen.lease})
        # In this order: whoever sees the new `sync` has seen that the key is gone.
        acts = [
            {"request_delete_range": {"key": leader}},
            {"request_put": {"key": _b64(self._prefix + "sync"), "value": _b64(seen.sync)}},
        ]
        return bool(self._call("kv/txn", {"compare": conditions, "success": acts}).get("succeeded"))

    def _call(self, method: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Ask the member that answered last; after a failure the next one is asked, by the next call."""
        try:
            if self._open is None:
                self._open = http.client.HTTPSConnection(self._hosts[0], timeout=WITHIN, context=self._context)
            self._open.request("POST", f"/v3/{method}", json.dumps(body), {"Content-Type": "application/json"})
            answer = self._open.getresponse()
            said = json.loads(answer.read())
            if answer.status != http.client.OK:
                raise ValueError(f"{self._hosts[0]}: {said.get('message') or said}")
            return dict(said)
        except IN_THE_WAY:
            if self._open is not None:
                self._open.close()
            self._open = None
            self._hosts.append(self._hosts.pop(0))
            raise


def view(keys: Mapping[str, Mapping[str, Any]], time: Mapping[str, Any]) -> View:
    """Read a cluster's keys, by name, and what etcd says of its leader's lease."""
    values = {name: _text(kv.get("value", "")) for name, kv in keys.items()}
    leader = values.get("leader", "")
    sync = json.loads(values.get("sync") or "{}")
    config = json.loads(values.get("config") or "{}")
    names = (*WRITTEN, f"members/{leader}")
    return View(
        leader=leader,
        lease=str(keys.get("leader", {}).get("lease", "0")),
        granted=float(time.get("grantedTTL", 0)),
        left=float(time.get("TTL", 0)),
        synced_leader=sync.get("leader") or "",
        synced=frozenset(filter(None, (sync.get("sync_standby") or "").split(","))),
        sync=values.get("sync", ""),
        revisions=tuple((name, int(keys.get(name, {}).get("mod_revision", 0))) for name in names),
        loop_wait=float(config.get("loop_wait", 10)),
        ready=config.get("synchronous_mode") is True
        and not config.get("pause")
        and not config.get("standby_cluster")
        and not values.get("failover")
        and "leader" in keys,
    )


def _after(prefix: str) -> str:
    """Return the first key after all that begin with `prefix`, which ends in a slash."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _text(coded: str) -> str:
    return base64.b64decode(coded).decode()
