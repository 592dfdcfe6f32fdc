"""Who holds the stack's lease, and which dead run waits."""

from __future__ import annotations

from contextlib import suppress

from runbooks.core.errors import LeaseHeld, NotReady, SeparuhError
from runbooks.core.hold import keepers
from runbooks.core.host import Estate
from runbooks.core.journal import Head
from runbooks.core.lease import Lease
from runbooks.core.origin import find_runbook
from runbooks.core.quorum import NoQuorum
from runbooks.core.session import open_stack


def lease(stack: str, forget: str) -> None:
    """Print the lease and the head beside it, as the quorum has them, or without one the stores.

    `forget` is the id of a dead run whose head is to be dropped.
    """
    settings, secrets = open_stack(stack)
    with Estate(settings, secrets) as estate:
        by_quorum, by_stores = (Lease(keeper, settings.stack) for keeper in keepers(estate))
        try:
            held, holder = by_quorum, by_quorum.holder()
        except NoQuorum:
            held, holder = by_stores, by_stores.holder()
        found = held.read_head()
        head = Head.parse(found) if found else None
        if forget:
            _forget(held, head, forget, living=holder is not None)
            print(f"run {forget} is forgotten: what it left on the estate stays as it is")
            return
    print(f"held by {holder.owner} since {holder.since}: {holder.reason} (run {holder.run})" if holder else "free")
    if head and not (holder and holder.run == head.id):
        print(f"run {head.id} died in step {head.begun}: {onward(head)} --stack {settings.stack}")


def onward(head: Head) -> str:
    """Return what goes on with a dead run, with what is typed behind its verb without an option."""
    operand = ""
    with suppress(SeparuhError, ImportError):  # a runbook of another checkout
        operand = head.arguments.get(find_runbook(head.runbook).operand, "")
    return head.onward(operand)


def _forget(lease: Lease, head: Head | None, run_id: str, living: bool) -> None:
    """Drop the head of a dead run that can be neither finished nor undone."""
    if living:
        raise LeaseHeld("a run is in progress: nothing is forgotten while the lease is held")
    if head is None or head.id != run_id:
        raise NotReady(f"no dead run {run_id!r}" + (f"; there is {head.id}" if head else ""))
    lease.drop_head()
