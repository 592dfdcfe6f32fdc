"""The lease's keys without a quorum: one object in each site's store that still answers, changed by conditional PUTs.

Whether a lease has run out is told by the store's own clock: its time now against the time of the object's last write.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

from runbooks.core.command import Request
from runbooks.core.errors import CommandFailed
from runbooks.core.gather import Silence, gather
from runbooks.core.quorum import NoQuorum
from runbooks.core.store import Store

KEY = "separuh/lease"
WITHIN = 8.0  # seconds for a store to answer: boto3's own limits, and its loading
GRACE = 2  # seconds; a store tells whole ones
CHANGED = (404, 409, 412)  # somebody wrote, or is writing, since it was read
TRIES = 5


@dataclass
class Kept:
    """What the object holds. `turn` differs at each write, so that no two have the same ETag."""

    keys: dict[str, str] = field(default_factory=dict)
    lease: str = ""
    leased: str = ""  # the key that goes with the lease
    ttl: int = 0
    turn: str = ""


Change = Callable[[Kept], bool]


class Survivors:
    """What `Etcd` promises, kept by the stores that answer when a lease is claimed: all of them, until it is released.

    Two runs exclude each other as long as there is one store that both can reach.
    """

    def __init__(self, stores: Sequence[Store]) -> None:
        """Nothing is asked yet."""
        self._stores = tuple(stores)
        self._claimed: tuple[Store, ...] = ()

    def get(self, key: str) -> str | None:
        """Return the value of `key`, None if no store has it."""
        found = (kept.keys.get(key) for kept, _ in self._answers().values())
        return next((value for value in found if value is not None), None)

    def claim(self, key: str, value: str, ttl: int) -> str | None:
        """Create `key` on a new lease in every store that answers; None, and nothing kept, if one has the key."""
        lease = secrets.token_hex(8)
        taken: list[Store] = []
        try:
            for store in self._answers():
                if not _change(store, partial(_claim, lease, key, value, ttl)):
                    return None
                taken.append(store)
            self._claimed, taken = tuple(taken), []
        finally:
            for store in taken:
                with contextlib.suppress(CommandFailed):  # it ends by itself
                    _change(store, partial(_revoke, lease))
        return lease

    def put(self, key: str, value: str, guard: tuple[str, str]) -> bool:
        """Write `key` if the guard still holds."""
        return self._everywhere(partial(_put, key, value, guard))

    def delete(self, key: str) -> None:
        """Remove `key`."""
        self._everywhere(lambda kept: bool(kept.keys.pop(key, None)))

    def keep(self, lease: str) -> bool:
        """Renew a lease; False if it has run out, or is another's, at any store that it was claimed from."""
        return self._everywhere(lambda kept: kept.lease == lease)

    def revoke(self, lease: str) -> None:
        """End a lease; its key goes with it."""
        self._everywhere(partial(_revoke, lease))
        self._claimed = ()

    def _everywhere(self, change: Change) -> bool:
        changed = [_change(store, change) for store in self._claimed or self._answers()]
        return all(changed)

    def _answers(self) -> dict[Store, tuple[Kept, str]]:
        """Return what each store that answers has; NoQuorum if none does. One that is silent is not asked again."""
        answers = gather({store: partial(_read, store) for store in self._stores}, WITHIN)
        if all(isinstance(answer, Silence) for answer in answers.values()):
            said = (answer.why for answer in answers.values())
            raise NoQuorum("\n".join(("no store answers, so no lease can be had from one either", *said)))
        found = {store: answer for store, answer in answers.items() if not isinstance(answer, Silence)}
        self._stores = tuple(found)
        return found


def _read(store: Store) -> tuple[Kept, str]:
    """Return what `store` keeps, without a lease that has run out, and the ETag it has; "" where there is nothing."""
    params = {"Bucket": store.bucket, "Key": KEY}
    try:
        return store.ask(Request(operation="get_object", params=params, parse=_living))
    except CommandFailed as failure:
        if "NoSuchKey" not in failure.stderr:
            raise
        return Kept(), ""


def _living(answer: Mapping[str, Any]) -> tuple[Kept, str]:
    kept = Kept(**json.loads(answer["Body"].read()))
    now = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    if kept.lease and (now - answer["LastModified"]).total_seconds() > kept.ttl + GRACE:
        _revoke(kept.lease, kept)
    return kept, answer["ETag"]


def _change(store: Store, change: Change) -> bool:
    """Apply `change` to what the store keeps and write it, unless somebody wrote meanwhile: then look again.

    Only `do` would be shown while planning; a plan never comes here. False if `change` refuses what it finds.
    """
    for _ in range(TRIES):
        kept, etag = _read(store)
        if not change(kept):
            return False
        kept.turn = secrets.token_hex(8)
        condition = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
        params = {"Bucket": store.bucket, "Key": KEY, "Body": json.dumps(asdict(kept)).encode(), **condition}
        try:
            store.do(Request(operation="put_object", params=params, parse=lambda _: None))
        except CommandFailed as failure:
            if failure.code not in CHANGED:
                raise
        else:
            return True
    raise CommandFailed(("put_object", KEY), store.name, None, f"others wrote first {TRIES} times; try again")


def _claim(lease: str, key: str, value: str, ttl: int, kept: Kept) -> bool:
    if key in kept.keys and kept.lease != lease:  # its own where an answer got lost
        return False
    kept.keys[key], kept.lease, kept.leased, kept.ttl = value, lease, key, ttl
    return True


def _put(key: str, value: str, guard: tuple[str, str], kept: Kept) -> bool:
    if kept.keys.get(guard[0]) != guard[1]:
        return False
    kept.keys[key] = value
    return True


def _revoke(lease: str, kept: Kept) -> bool:
    if kept.lease != lease:
        return False
    kept.keys.pop(kept.leased, None)
    kept.lease = kept.leased = ""
    return True
