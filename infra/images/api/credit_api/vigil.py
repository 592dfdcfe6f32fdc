"""While the database is away, few requests ask for it and the others wait: a herd would keep it from coming back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import psycopg

from credit_api.retry import is_away

T = TypeVar("T")
SEEKERS = 2  # requests that ask at a time: the other one still does where the first waits for an answer
BETWEEN = 0.1  # seconds from one that was in vain to the next


class Vigil:
    """Whether the database is away, as the statements sent to it have seen."""

    def __init__(self) -> None:
        """Begin with one that is there."""
        self._turns = asyncio.Semaphore(SEEKERS)
        self._away, self._failed_at = False, 0.0

    async def send(self, statement: Callable[[], Awaitable[T]], until: float) -> T:
        """Send a statement at once or, while the database is away, when it is this one's turn; it may be back by then.

        TimeoutError where no turn came by `until`, on the loop's clock: nothing was sent.
        """
        if self._away:
            async with asyncio.timeout_at(until):
                await self._turns.acquire()
            try:
                if self._away:
                    await asyncio.sleep(self._failed_at + BETWEEN - asyncio.get_running_loop().time())
                    return await self._noted(statement)
            finally:
                self._turns.release()
        return await self._noted(statement)

    async def _noted(self, statement: Callable[[], Awaitable[T]]) -> T:
        try:
            answer = await statement()
        except psycopg.Error as error:
            if is_away(error):
                self._away, self._failed_at = True, asyncio.get_running_loop().time()
            raise
        self._away = False
        return answer
