"""The lease without a quorum: whatever two runs do between each other's requests, never do both hold it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runbooks.core.command import Request, T
from runbooks.core.errors import CommandFailed
from runbooks.core.quorum import NoQuorum
from runbooks.core.store import Store
from runbooks.core.survivors import Survivors
from tests.core.conftest import store_of

LEASE, HEAD, TTL = "/separuh/unit/lease", "/separuh/unit/head", 20


@dataclass
class Clock:
    """The time that passes for everybody."""

    now: float = 1767225600.0


@dataclass
class Bucket:
    """One store in memory; its clock tells whole seconds and is `off` from ours."""

    name: str
    clock: Clock
    off: float = 0.0
    held: dict[str, dict[str, Any]] = field(default_factory=dict)

    def time(self) -> datetime:
        """Return what the store's clock says."""
        return datetime.fromtimestamp(int(self.clock.now + self.off), UTC)

    def list_objects_v2(self, **_: Any) -> dict[str, Any]:
        """Answer with the keys."""
        return {"Contents": [{"Key": key} for key in sorted(self.held)]}

    def get_object(self, *, Key: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        """Answer with the object and both times."""
        if Key not in self.held:
            raise CommandFailed(("get_object",), self.name, 404, "An error occurred (NoSuchKey)")
        found, headers = self.held[Key], {"date": format_datetime(self.time(), usegmt=True)}
        return {**found, "Body": BytesIO(found["Body"]), "ResponseMetadata": {"HTTPHeaders": headers}}

    def put_object(self, *, Key: str, Body: bytes, **_: Any) -> dict[str, Any]:  # noqa: N803
        """Write the object, whatever was there."""
        self.held[Key] = {"Body": Body, "LastModified": self.time()}
        return {}

    def delete_object(self, *, Key: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        """Take it away."""
        self.held.pop(Key, None)
        return {}


class Reach:
    """A runner's way to a store; `meanwhile` happens once, before its request number `at`."""

    def __init__(self, bucket: Bucket) -> None:
        self.target, self.name, self.bucket = bucket, bucket.name, "unit"
        self.answers = True
        self.at = 0
        self.meanwhile: Callable[[], None] = lambda: None

    def ask(self, request: Request[T]) -> T:
        """Look."""
        return request.parse(self._send(request))

    def do(self, request: Request[Any]) -> None:
        """Write."""
        self._send(request)

    def _send(self, request: Request[Any]) -> Mapping[str, Any]:
        self.at -= 1
        if self.at == 0:
            self.meanwhile()
        if not self.answers:
            raise CommandFailed((request.operation,), self.name, None, "no answer")
        answer: Mapping[str, Any] = getattr(self.target, request.operation)(**request.params)
        return answer


class Runner:
    """One run that wants the lease, and what it believes."""

    def __init__(self, name: str, clock: Clock, buckets: list[Bucket]) -> None:
        self.name, self.clock = name, clock
        self.reaches = [Reach(bucket) for bucket in buckets]
        self.survivors = Survivors(self.reaches)  # type: ignore[arg-type]
        self.lease: str | None = None
        self.heard = 0.0

    @property
    def believes(self) -> bool:
        """Whether it acts as the one that holds the lease, as `Lease.held` does."""
        return self.lease is not None and self.clock.now - self.heard < TTL

    def claim(self) -> None:
        """Try to take it, unless it is held."""
        if not self.believes:
            asked = self.clock.now
            self.lease = self.survivors.claim(LEASE, self.name, TTL)
            self.heard = asked

    def keep(self) -> None:
        """Renew it."""
        if self.believes and self.lease:
            asked = self.clock.now
            if self.survivors.keep(self.lease):
                self.heard = asked
            else:
                self.lease = None

    def put(self) -> None:
        """Write the head beside it; no run that is not the holder may."""
        if self.believes and not self.survivors.put(HEAD, self.name, (LEASE, self.name)):
            self.lease = None

    def revoke(self) -> None:
        """Give it back."""
        lease, self.lease = self.lease, None
        if lease:
            self.survivors.revoke(lease)


ACTS = ("claim", "claim", "keep", "put", "revoke")
SECONDS = (0, 1, 5, 9, TTL - 1, TTL + 1, TTL + 4)
moves = st.tuples(
    st.integers(0, 1),
    st.sampled_from(ACTS),
    st.sampled_from(SECONDS),
    st.none() | st.sampled_from(ACTS),
    st.integers(1, 9),
)
Move = tuple[int, str, int, str | None, int]


@settings(deadline=None, max_examples=300)
@given(script=st.lists(moves, min_size=2, max_size=14), off=st.floats(-1e6, 1e6), two=st.booleans())
@pytest.mark.thorough
def test_never_do_both_hold_it(script: list[Move], off: float, two: bool) -> None:
    """`two`: each reaches both stores, else one of them reaches the first alone."""
    clock = Clock()
    buckets = [Bucket("one", clock, off), Bucket("two", clock)]
    runners = Runner("ann", clock, buckets), Runner("ben", clock, buckets if two else buckets[:1])
    for who, act, seconds, other, at in script:
        acting, waiting = runners[who], runners[1 - who]

        def meanwhile(waiting: Runner = waiting, seconds: int = seconds, other: str | None = other) -> None:
            clock.now += seconds
            if other:
                getattr(waiting, other)()

        acting.reaches[0].meanwhile, acting.reaches[0].at = meanwhile, at
        getattr(acting, act)()
        acting.reaches[0].at = 0
        assert not (runners[0].believes and runners[1].believes)
        clock.now += seconds


def test_a_dead_runs_lease_ends_by_the_stores_clock_and_its_head_stays() -> None:
    clock = Clock()
    bucket = Bucket("one", clock, off=-7200)
    ann, ben = Runner("ann", clock, [bucket]), Runner("ben", clock, [bucket])
    ann.claim()
    ann.put()
    clock.now += TTL - 1
    ben.claim()
    assert ben.lease is None
    clock.now += 5
    ben.claim()
    assert ben.lease
    assert ben.survivors.get(LEASE) == "ben"
    assert ben.survivors.get(HEAD) == "ann"
    ben.survivors.delete(HEAD)
    assert ben.survivors.get(HEAD) is None


def test_a_store_that_is_gone_is_done_without_and_one_that_goes_later_is_missed() -> None:
    clock = Clock()
    run = Runner("ann", clock, [Bucket("one", clock), Bucket("two", clock)])
    run.reaches[1].answers = False
    run.claim()
    run.keep()
    assert run.believes
    run.reaches[0].answers = False
    with pytest.raises(NoQuorum):
        run.keep()


def test_without_any_store_there_is_no_lease() -> None:
    clock = Clock()
    run = Runner("ann", clock, [Bucket("one", clock)])
    run.reaches[0].answers = False
    with pytest.raises(NoQuorum, match=r"from the stores[\s\S]*one: .*"):
        run.claim()


class Dated(Store):
    """A store in moto that tells its time, as every server does and moto does not."""

    def _send(self, request: Request[Any]) -> Any:
        answer = super()._send(request)
        answer["ResponseMetadata"]["HTTPHeaders"]["date"] = format_datetime(datetime.now(UTC), usegmt=True)
        return answer


def test_a_real_clients_answers_are_understood(two_stores: list[Store]) -> None:
    dated = [store_of(store.site, Dated) for store in two_stores]
    ann, ben = Survivors(dated), Survivors(dated)
    lease = ann.claim(LEASE, "ann", TTL)
    assert lease
    assert ben.claim(LEASE, "ben", TTL) is None
    assert ben.get(LEASE) == "ann"
    assert ann.put(HEAD, "head", (LEASE, "ann"))
    assert not ben.put(HEAD, "other", (LEASE, "ben"))
    assert ann.keep(lease)
    assert ann.get(HEAD) == ben.get(HEAD) == "head"
    ann.revoke(lease)
    assert ben.claim(LEASE, "ben", TTL)
    assert not ann.keep(lease)
    assert ben.get(HEAD) == "head"
    ben.delete(HEAD)
    assert ben.get(HEAD) is None
