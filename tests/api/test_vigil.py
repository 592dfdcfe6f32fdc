"""What requests do to a database that is away: few of them ask for it, and all have it as soon as it is back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import psycopg
import pytest
from credit_api.retry import is_away
from credit_api.vigil import BETWEEN, SEEKERS, Vigil
from psycopg import errors

AWAY = errors.ReadOnlySqlTransaction("cannot execute INSERT in a read-only transaction")
REQUESTS = 30


class Database:
    """One that is away until it is told otherwise, and counts who asks."""

    def __init__(self) -> None:
        """Begin away."""
        self.away, self.asked, self.at_once, self.most = True, 0, 0, 0

    async def statement(self) -> str:
        """Answer, or fail as one that is not the leader."""
        self.asked, self.at_once = self.asked + 1, self.at_once + 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(0.001)
        self.at_once -= 1
        if self.away:
            raise AWAY
        return "paid"


async def until_paid(vigil: Vigil, statement: Callable[[], Awaitable[str]]) -> str:
    """Repeat a request as `credit_api.database` does."""
    while True:
        try:
            return await vigil.send(statement, asyncio.get_running_loop().time() + 5)
        except psycopg.Error:
            await asyncio.sleep(0.001)


def test_few_ask_while_it_is_away_and_all_have_it_once_it_is_back() -> None:
    async def scene() -> None:
        vigil, database = Vigil(), Database()
        with pytest.raises(psycopg.Error):
            await vigil.send(database.statement, asyncio.get_running_loop().time() + 5)
        waiting = [asyncio.create_task(until_paid(vigil, database.statement)) for _ in range(REQUESTS)]
        rounds = 5
        await asyncio.sleep(rounds * BETWEEN)
        assert database.most <= SEEKERS
        assert 2 <= database.asked <= 1 + SEEKERS * (rounds + 1)
        database.away, before = False, database.asked
        assert await asyncio.gather(*waiting) == ["paid"] * REQUESTS
        assert database.asked == before + REQUESTS, "nobody asks twice"
        assert database.most > SEEKERS, "nobody takes turns any more"

    asyncio.run(scene())


def test_who_gets_no_turn_in_time_has_sent_nothing() -> None:
    async def scene() -> None:
        vigil, database = Vigil(), Database()
        with pytest.raises(psycopg.Error):
            await vigil.send(database.statement, asyncio.get_running_loop().time() + 5)
        never = asyncio.Event()

        async def hangs() -> str:
            await never.wait()
            return "paid"

        hanging = [asyncio.create_task(until_paid(vigil, hangs)) for _ in range(SEEKERS)]
        await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            await vigil.send(database.statement, asyncio.get_running_loop().time() + 0.05)
        assert database.asked == 1
        never.set()
        assert await asyncio.gather(*hanging) == ["paid"] * SEEKERS

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (AWAY, True),
        (errors.CannotConnectNow(), True),
        (errors.ProtocolViolation("server login has been failing, cached error"), True),
        (psycopg.OperationalError("server closed the connection unexpectedly"), True),
        (errors.DeadlockDetected(), False),
        (errors.AdminShutdown(), False),
        (errors.UniqueViolation(), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_says_that_it_is_away(error: psycopg.Error, away: bool) -> None:
    assert is_away(error) is away
