"""The lease's keys without a quorum: in each site's store that still answers, one object a run, written by it alone.

Not by conditional PUTs: where versions are kept, as a lock needs, Ceph 18 lets every one of them through or none
(docs/decisions/0015). A run raises its flag and then looks for others', so of two at once at least one sees the other.
Whether a flag still counts is told by the store's own clock: its time now against the time of the flag's last write.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

from runbooks.core.command import Request
from runbooks.core.errors import CommandFailed
from runbooks.core.gather import Silence, gather
from runbooks.core.quorum import NoQuorum
from runbooks.core.store import Store

PREFIX = "separuh/lease/"
WITHIN = 8.0  # seconds for a store to answer: boto3's own limits, and its loading
MISSING = 404
GRACE = 2  # seconds; a store tells whole ones


@dataclass
class Flag:
    """What one run's object holds. `leased` is the key that ends with its lease, of `ttl` seconds; "" without one."""

    keys: dict[str, str] = field(default_factory=dict)
    leased: str = ""
    ttl: int = 0


@dataclass(frozen=True)
class Seen:
    """A flag as a store has it; of one whose lease has run out, the lease's key is left out."""

    name: str
    flag: Flag
    written_at: datetime


class Survivors:
    """What `Etcd` promises, kept by the stores that answer when a lease is claimed: all of them, until it is released.

    Two runs exclude each other as long as there is one store that both can reach. Two that claim at the same moment
    may both be refused.
    """

    def __init__(self, stores: Sequence[Store]) -> None:
        """Nothing is asked yet."""
        self._stores = tuple(stores)
        self._name, self._flag = "", Flag()  # no name: no lease
        self._alone = threading.RLock()  # the thread that renews and the one that writes the head share the flag

    def get(self, key: str) -> str | None:
        """Return the value of `key` as it was last written, None if no store has it."""
        found = [seen for flags in self._look().values() for seen in flags if key in seen.flag.keys]
        return max(found, key=lambda seen: seen.written_at).flag.keys[key] if found else None

    def claim(self, key: str, value: str, ttl: int) -> str | None:
        """Create `key` on a new lease in every store that answers; None, and nothing kept, if another has it."""
        self._stores = tuple(self._look())
        self._name, self._flag = secrets.token_hex(8), Flag({key: value}, key, ttl)
        lease = self._name
        if self.keep(lease):
            return lease
        self.revoke(lease)
        return None

    def put(self, key: str, value: str, guard: tuple[str, str]) -> bool:
        """Write `key` if the guard still holds."""
        with self._alone:
            if self._flag.keys.get(guard[0]) != guard[1]:
                return False
            self._flag.keys[key] = value
            return self.keep(self._name)

    def delete(self, key: str) -> None:
        """Remove `key`, a dead run's too."""
        with self._alone:
            self._flag.keys.pop(key, None)
            for store, flags in self._look().items():
                for seen in flags:
                    if seen.flag.keys.pop(key, None) is not None:
                        _write(store, seen.name, seen.flag)

    def keep(self, lease: str) -> bool:
        """Renew a lease; False if another has one by now. It looks before too: a late one must not disturb that."""
        with self._alone:
            if lease != self._name or self._others():
                return False
            for store in self._stores:
                _write(store, lease, self._flag)
            if not self._others():
                return True
            self.revoke(lease)
            return False

    def revoke(self, lease: str) -> None:
        """End a lease; its key goes with it."""
        with self._alone:
            self._flag.keys.pop(self._flag.leased, None)
            self._flag.leased = self._name = ""
            for store in self._stores:
                with contextlib.suppress(CommandFailed):  # it ends by itself
                    _write(store, lease, self._flag)

    def _others(self) -> bool:
        """Say whether another run's flag counts at any store."""
        seen = (seen for flags in self._look().values() for seen in flags)
        return any(each.name != self._name and self._flag.leased in each.flag.keys for each in seen)

    def _look(self) -> dict[Store, list[Seen]]:
        """Return what each store has; those that are silent are left out, but none of those that hold a lease of ours.

        NoQuorum: they are all silent, or one that may not be.
        """
        answers = gather({store: partial(_read, store) for store in self._stores}, WITHIN)
        silent = [answer.why for answer in answers.values() if isinstance(answer, Silence)]
        if silent and (self._name or len(silent) == len(answers)):
            raise NoQuorum("\n".join(("no lease can be had from the stores either:", *silent)))
        return {store: answer for store, answer in answers.items() if not isinstance(answer, Silence)}


def _read(store: Store) -> list[Seen]:
    listing = {"Bucket": store.bucket, "Prefix": PREFIX}
    names = store.ask(Request(operation="list_objects_v2", params=listing, parse=_names))
    return [seen for name in names if (seen := _flag(store, name))]


def _names(answer: Mapping[str, Any]) -> list[str]:
    return [entry["Key"].removeprefix(PREFIX) for entry in answer.get("Contents", ())]


def _flag(store: Store, name: str) -> Seen | None:
    """Return one flag, None if it went since it was listed."""
    params = {"Bucket": store.bucket, "Key": PREFIX + name}
    try:
        return store.ask(Request(operation="get_object", params=params, parse=partial(_seen, name)))
    except CommandFailed as failure:
        if failure.code != MISSING:
            raise
        return None


def _seen(name: str, answer: Mapping[str, Any]) -> Seen:
    flag, written_at = Flag(**json.loads(answer["Body"].read())), answer["LastModified"]
    now = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    if (now - written_at).total_seconds() > flag.ttl + GRACE:
        flag.keys.pop(flag.leased, None)
    return Seen(name, flag, written_at)


def _write(store: Store, name: str, flag: Flag) -> None:
    """Put the flag, or take it away where it says nothing any more. Old versions stay as long as the lock has them."""
    params = {"Bucket": store.bucket, "Key": PREFIX + name}
    operation = "put_object" if flag.keys else "delete_object"
    body = {"Body": json.dumps(asdict(flag)).encode()} if flag.keys else {}
    store.do(Request(operation=operation, params={**params, **body}, parse=lambda _: None))
