"""The lease for a verb that is no table of steps: held from its first change to its last."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from infra.machine import say_on_stderr as say
from infra.secrets import Secrets
from infra.settings import Settings
from runbooks.core.host import Estate
from runbooks.core.lease import Holder, Lease
from runbooks.core.ledger import new_id
from runbooks.core.origin import now, operator
from runbooks.core.quorum import Etcd, NoQuorum


@contextmanager
def holding(settings: Settings, secrets: Secrets, verb: str) -> Iterator[None]:
    """Hold the stack's lease; where no quorum stands, no other run can hold it either. LeaseHeld where one does."""
    with Estate(settings, secrets) as estate:
        lease = Lease(Etcd(estate), settings.stack)
        try:
            lease.acquire(Holder(run=new_id(verb), owner=operator(), since=now(), reason=verb))
        except NoQuorum:
            say("no quorum answers, so no other run can be under way: going on without the lease")
        try:
            yield
        finally:
            lease.release()
