"""While the database is away one task looks for it and all requests wait: a herd would keep it from coming back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

BETWEEN = 0.25  # seconds between two looks: the session that each is costs more than its question


class Vigil:
    """Whether the database is there, as far as its statements tell, and a look out for it while it is not."""

    def __init__(self, look: Callable[[], Awaitable[bool]]) -> None:
        """`look` asks whether it is there, and takes writes."""
        self._look = look
        self._back: asyncio.Event | None = None  # while it is away
        self._watch: asyncio.Task[None] | None = None

    def end(self) -> None:
        """Look no more."""
        if self._watch:
            self._watch.cancel()

    def miss(self) -> None:
        """Look out for it: a statement has failed as every other would."""
        if self._back is None:
            self._back = asyncio.Event()
            self._watch = asyncio.create_task(self._look_out(self._back))

    async def wait(self, until: float) -> None:
        """Return as soon as it is there. TimeoutError: not by `until`, on the loop's clock."""
        if self._back is not None:
            async with asyncio.timeout_at(until):
                await self._back.wait()

    async def _look_out(self, back: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        since, away = loop.time(), False
        try:
            while not await self._look():
                if not away:
                    print(f"the database is away: looking for it each {BETWEEN} s, requests wait", flush=True)
                away = True
                await asyncio.sleep(BETWEEN)
            if away:
                print(f"the database is back after {loop.time() - since:.1f} s", flush=True)
        finally:  # also where nobody looks any more: then requests see for themselves
            self._back = None
            back.set()
