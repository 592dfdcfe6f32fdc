"""One runbook at a time on a stack: a lease that lives as long as its run is heard of, and the run's head beside it."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from dataclasses import asdict, dataclass

from runbooks.core.errors import LeaseHeld, SeparuhError, Undone
from runbooks.core.quorum import Quorum

TTL = 20  # seconds; as long as Patroni's, so that what etcd survives the lease survives
SLACK = 4  # seconds more that a dead holder's lease may stand: a store counts whole ones


@dataclass(frozen=True)
class Holder:
    """Who holds the lease: `owner` as user@host and process, `since` in UTC, `reason` the runbook's title."""

    run: str
    owner: str
    since: str
    reason: str


class LeaseLost(Undone):
    """The lease ran out under a run; another may hold it now."""


class Lease:
    """The lease of one stack, kept alive by a thread from `acquire` to `release`."""

    def __init__(self, quorum: Quorum, stack: str, ttl: int = TTL) -> None:
        """`ttl` in seconds is how long a dead run keeps others waiting."""
        self._quorum, self._stack, self._ttl = quorum, stack, ttl
        self._key, self._head_key = f"/separuh/{stack}/lease", f"/separuh/{stack}/head"
        self._mine = ""
        self._id: str | None = None
        self._heard = 0.0
        self._over = threading.Event()

    @property
    def held(self) -> bool:
        """Whether this run holds the lease, as far as it can know."""
        return self._id is not None and time.monotonic() - self._heard < self._ttl

    def acquire(self, holder: Holder, wait: bool = False) -> None:
        """Take the lease, or raise LeaseHeld; with `wait`, only once a dead holder's would have ended."""
        self._mine = json.dumps(asdict(holder))
        deadline = self._deadline(wait)
        while (lease := self._quorum.claim(self._key, self._mine, self._ttl)) is None:
            self._refuse_at(deadline, self.holder())
        self._id, self._heard = lease, time.monotonic()
        threading.Thread(target=self._keep_alive, args=(lease,), daemon=True).start()

    def expect_free(self, wait: bool = False) -> None:
        """Raise LeaseHeld if another has the lease; with `wait`, only once a dead holder's would have ended."""
        deadline = self._deadline(wait)
        while other := self.holder():
            self._refuse_at(deadline, other)

    def _deadline(self, wait: bool) -> float:
        return time.monotonic() + (self._ttl + SLACK if wait else 0)

    def _refuse_at(self, deadline: float, other: Holder | None) -> None:
        """Raise LeaseHeld for `other` once it is too late, else wait a little."""
        if other and time.monotonic() >= deadline:
            raise LeaseHeld(
                f"stack {self._stack}: {other.owner} holds the lease since {other.since} for: {other.reason} "
                f"(run {other.run}). Wait for it, or end it there. If it is dead its lease ends by itself within "
                f"{self._ttl} s"
            )
        time.sleep(0.5)

    def check(self) -> None:
        """Raise LeaseLost unless the lease is still this run's."""
        if not self.held:
            raise LeaseLost(
                f"stack {self._stack}: the lease ran out, because its keepers did not confirm it for {self._ttl} s, "
                "or somebody ended it. ./inv status shows etcd and the stores, ./inv lease who holds it now"
            )

    def regain(self, run_id: str) -> bool:
        """Say whether the lease is held, or could be taken again before anybody else took over the run."""
        if self.held:
            return True
        try:
            self.acquire(Holder(**json.loads(self._mine)), wait=True)
            head = self.read_head()
        except SeparuhError:
            return False
        return head is not None and json.loads(head)["id"] == run_id

    def holder(self) -> Holder | None:
        """Return who holds the lease now."""
        found = self._quorum.get(self._key)
        return Holder(**json.loads(found)) if found else None

    def write_head(self, head: str) -> None:
        """Put the run's head beside the lease; LeaseLost if the lease is another's by now."""
        if not self._quorum.put(self._head_key, head, (self._key, self._mine)):
            self._id = None
            self.check()

    def read_head(self) -> str | None:
        """Return the head of the run in progress, or of the dead one."""
        return self._quorum.get(self._head_key)

    def drop_head(self) -> None:
        """Forget the head: its run has ended."""
        self._quorum.delete(self._head_key)

    def release(self) -> None:
        """Give the lease back. Not being able to is no error: it ends by itself."""
        self._over.set()
        lease, self._id = self._id, None
        if lease is not None:
            with contextlib.suppress(SeparuhError):
                self._quorum.revoke(lease)

    def _keep_alive(self, lease: str) -> None:
        while not self._over.wait(self._ttl / 3):
            asked = time.monotonic()
            with contextlib.suppress(SeparuhError):  # one that does not answer may answer at the next turn
                if not self._quorum.keep(lease):
                    self._id = None if self._id == lease else self._id  # it may have been regained
                    return
                self._heard = asked
