"""Who may act on a stack now: one run at a time, by the quorum, or without one by the stores that survive."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager

from infra.say import say_on_stderr as say
from infra.secrets import Secrets
from infra.settings import Place, Settings
from runbooks.core.host import Estate
from runbooks.core.lease import TTL, Holder, Lease
from runbooks.core.ledger import new_id
from runbooks.core.origin import now, operator
from runbooks.core.quorum import Etcd, NoQuorum, Quorum
from runbooks.core.survivors import Survivors


def hold(
    stack: str, keepers: tuple[Quorum, Quorum], holder: Holder, *, wait: bool = False, without_quorum: bool = False
) -> Lease:
    """Take the lease of `stack` from the first keeper, the quorum; without one, if that is allowed, from the stores.

    LeaseHeld where either has another's: a run that began without a quorum is not over when there is one again, and
    what a dead one left at the stores is brought to the quorum, where the next run looks. NoQuorum: none can be had.
    """
    by_quorum, by_stores = (Lease(keeper, stack, TTL) for keeper in keepers)
    try:
        by_quorum.acquire(holder, wait)
    except NoQuorum:
        if not without_quorum:
            raise
        by_stores.acquire(holder, wait)
        return by_stores
    try:
        with contextlib.suppress(NoQuorum):  # where no store answers, none can tell of another
            by_stores.expect_free(wait)
            _bring_home(by_stores, by_quorum)
    except BaseException:
        by_quorum.release()
        raise
    return by_quorum


def _bring_home(there: Lease, here: Lease) -> None:
    head = there.read_head()
    if head and not here.read_head():
        here.write_head(head)
        there.drop_head()


def keepers(estate: Estate, first: Place | None = None) -> tuple[Quorum, Quorum]:
    """Return who keeps a stack's lease: its etcd, `first` asked first, and on the day without a quorum its stores."""
    return Etcd(estate, first), Survivors([estate.store(site) for site in estate.settings.sites])


@contextmanager
def holding(settings: Settings, secrets: Secrets, verb: str) -> Iterator[None]:
    """Hold the lease for a verb that is no table of steps, from its first change to its last. LeaseHeld: another does.

    Where neither a quorum nor a store stands, no other run can hold it either.
    """
    with Estate(settings, secrets) as estate, contextlib.ExitStack() as held:
        holder = Holder(run=new_id(verb), owner=operator(), since=now(), reason=verb)
        try:
            lease = hold(settings.stack, keepers(estate), holder, without_quorum=True)
            held.callback(lease.release)
        except NoQuorum:
            say("neither a quorum nor a store answers, so no other run can be under way: going on without the lease")
        yield
