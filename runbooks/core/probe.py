"""The outside view: payments at a steady rate through every gateway, whatever becomes of the earlier ones.

A process of its own (`python -m runbooks.core.probe`), so that nothing a runbook does can hold it up. It reads an
Order as JSON on stdin and writes Figures as JSON to stdout. SIGTERM ends the sending; what is on its way is waited for.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import TextIO

import aiohttp

from runbooks.core.figures import Figures, Seen, figures

ACKNOWLEDGED = (200, 201)
RETRIED = "Separuh-Retried"


@dataclass(frozen=True, kw_only=True)
class Order:
    """What to send: at most one payment for each of `payments` (loan, instalment, rupiah), `rate` of them a second.

    `gateways` are URLs by name, taken in turn. Keys are `<run>-<n>`. An acknowledged payment becomes a line of the
    file `acknowledged`: key, loan, instalment and amount, separated by tabs. `within`: seconds until it has failed.
    """

    run: str
    gateways: dict[str, str]
    rate: float
    seconds: float
    payments: Sequence[Sequence[int]]
    acknowledged: str
    within: float = 10.0

    def dump(self) -> str:
        """Return the order as JSON."""
        return json.dumps(asdict(self))


class Probe:
    """One order being carried out."""

    def __init__(self, order: Order, file: TextIO) -> None:
        """`file` takes what was acknowledged."""
        self._order, self._file = order, file
        self._seen = {name: Seen() for name in order.gateways}
        self._late: list[float] = []
        self._stopped = asyncio.Event()
        self._runner = os.getppid()
        self._began = 0.0

    def stop(self) -> None:
        """Send nothing more."""
        self._stopped.set()

    async def carry_out(self) -> Figures:
        """Send at each due time, wait for what is on its way, and add up."""
        order, loop = self._order, asyncio.get_running_loop()
        limit = aiohttp.ClientTimeout(total=order.within)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=limit) as session:
            on_the_way: set[asyncio.Task[None]] = set()
            names = list(order.gateways)
            self._began = loop.time()
            for n in count():
                due = n / order.rate
                if due >= order.seconds or n >= len(order.payments):
                    break
                if not await self._wait_for(due):
                    break
                self._late.append(loop.time() - self._began - due)
                task = loop.create_task(self._pay(session, names[n % len(names)], n, due))
                on_the_way.add(task)
                task.add_done_callback(on_the_way.discard)
            seconds = await self._ended(n / order.rate)
            await asyncio.gather(*on_the_way)
        return figures(order.rate, seconds, self._seen, self._late)

    async def _wait_for(self, due: float) -> bool:
        """Wait until `due` seconds after the beginning; False when stopped, or when its runner has died."""
        left = self._began + due - asyncio.get_running_loop().time()
        if left > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), left)
        return not self._stopped.is_set() and os.getppid() == self._runner

    async def _ended(self, planned: float) -> float:
        """Return the seconds of sending: as planned, or until it was stopped."""
        if self._stopped.is_set():
            return asyncio.get_running_loop().time() - self._began
        await self._wait_for(planned)
        return planned

    async def _pay(self, session: aiohttp.ClientSession, gateway: str, n: int, due: float) -> None:
        """Make the n-th payment, once. Its latency counts from when it was due, so a late probe flatters nobody."""
        order, seen = self._order, self._seen[gateway]
        loan, instalment, amount = order.payments[n]
        key = f"{order.run}-{n:07}"
        seen.sent += 1
        try:
            async with session.post(
                f"{order.gateways[gateway]}/payments",
                json={"loan": loan, "instalment": instalment, "amount": amount},
                headers={"Idempotency-Key": key},
            ) as response:
                await response.read()
                status, retried = response.status, response.headers.get(RETRIED)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._fail(seen, "timeout" if isinstance(error, TimeoutError) else type(error).__name__)
            return
        seen.retried += retried is not None
        if status not in ACKNOWLEDGED:
            self._fail(seen, f"HTTP {status}")
            return
        moment = asyncio.get_running_loop().time() - self._began
        seen.latencies.append(moment - due)
        seen.acknowledged_at.append(moment)
        self._file.write(f"{key}\t{loan}\t{instalment}\t{amount}\n")

    def _fail(self, seen: Seen, reason: str) -> None:
        seen.failed += 1
        seen.reasons[reason] += 1


async def _main(order: Order) -> Figures:
    with Path(order.acknowledged).open("w", buffering=1) as file:  # a line at once: others look whether payments go on
        probe = Probe(order, file)
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, probe.stop)
        result = await probe.carry_out()
        file.flush()
        os.fsync(file.fileno())
    return result


if __name__ == "__main__":
    json.dump(asyncio.run(_main(Order(**json.load(sys.stdin)))).dump(), sys.stdout)
