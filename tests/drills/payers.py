"""Customers who pay at a steady rate and note when each payment was sent, and when it was acknowledged."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event
from uuid import uuid4

from infra.settings import published
from runbooks.adapters import credit
from runbooks.core.leader import leader
from tests.drills.stack import Stack

AT_ONCE = 8
WITHIN = 15  # seconds for one answer, longer than the service's own deadline


@dataclass(frozen=True, kw_only=True)
class Paid:
    """One payment; seconds since the epoch by this machine's clock, which is also the databases'."""

    key: str
    sent: float
    acknowledged: float


@dataclass(frozen=True)
class Order:
    """Payments to be made: `rate` a second, as (loan, instalment, rupiah), with keys that begin with `name`."""

    gateways: Sequence[str]
    name: str
    rate: float
    wanted: Sequence[tuple[int, int, int]]

    def carry_out(self, stop: Event) -> list[Paid]:
        """Pay until all is paid or it is told to stop. A payment that is not acknowledged raises OSError."""
        began = time.monotonic()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = list(pool.map(lambda n: self._pay(n, began, stop), range(len(self.wanted))))
        return [each for each in found if each]

    def _pay(self, n: int, began: float, stop: Event) -> Paid | None:
        if stop.wait(max(0.0, began + n / self.rate - time.monotonic())):
            return None
        loan, instalment, amount = self.wanted[n]
        key, gateway = f"{self.name}-{n:06}", self.gateways[n % len(self.gateways)]
        body = json.dumps({"loan": loan, "instalment": instalment, "amount": amount}).encode()
        headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
        request = urllib.request.Request(f"{gateway}/payments", body, headers)  # noqa: S310 - http to a gateway
        sent = time.time()
        with urllib.request.urlopen(request, timeout=WITHIN) as answer:  # noqa: S310
            answer.read()
        return Paid(key=key, sent=sent, acknowledged=time.time())


@contextmanager
def paying(stack: Stack, rate: float, most: int) -> Iterator[tuple[str, list[Paid]]]:
    """Pay through both gateways meanwhile, at most `most` times.

    Yields what the keys begin with, and a list that is filled when the context ends.
    """
    settings = stack.estate.settings
    gateways = [f"http://{site.publish.address}:{published(site, 'gateway')}" for site in settings.sites]
    wanted = leader(stack.estate).ask(credit.payable(settings.cluster, most))
    assert len(wanted) == most, f"{most} payments are wanted and {len(wanted)} instalments are unpaid"
    order, stop, paid = Order(gateways, f"pit-{uuid4().hex[:8]}", rate, wanted), Event(), list[Paid]()
    with ThreadPoolExecutor(1) as pool:
        made = pool.submit(order.carry_out, stop)
        try:
            yield order.name, paid
        finally:
            stop.set()
            paid += made.result()
