"""One statement, one round trip, through the pooler, until its outcome is known or the request's time is up."""

from __future__ import annotations

import asyncio
import os
import random
import select
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

import psycopg
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from credit_api.config import LEAST, Config
from credit_api.refusals import BUSY, BY_SQLSTATE, UNKNOWN, Refused
from credit_api.retry import Fate, fate, is_away
from credit_api.vigil import Vigil

Row = dict[str, Any]
FIRST_PAUSE, LONGEST_PAUSE = 0.02, 0.4
LOOK = 1.0  # seconds for the database to say whether it takes writes


class Doubtful(psycopg.OperationalError):
    """The commit came with a warning: it may stand on one site alone. No SQLSTATE, so its fate counts as unknown."""


class Ended(Exception):
    """The session taken from the pool was over already; nothing was sent, and the pool replaces it."""


class Connection(psycopg.AsyncConnection[Row]):
    """A session that remembers a warning. Functions of ours raise none, so it came with the commit."""

    doubtful = False

    def note(self, notice: psycopg.errors.Diagnostic) -> None:
        """Keep that a cancelled wait for the other site turned a commit into a warning (01000) or an ending (57P01)."""
        self.doubtful = self.doubtful or notice.sqlstate in {"01000", "57P01"}


def ended(connection: Connection) -> bool:
    """Tell, without a round trip, whether an idle session is over: it has nothing to say but its end.

    A pooler that was restarted leaves a pool full of these. The pool's own check would wait a second after each.
    """
    ear = select.poll()
    ear.register(connection.fileno(), select.POLLIN)
    return bool(ear.poll(0))


def sever(connection: psycopg.AsyncConnection[Any]) -> None:
    """End a statement by cutting its socket. A cancel would acknowledge a commit that waits for the other site."""
    # A duplicate of the descriptor: shutting it down wakes the waiting task and leaves closing to psycopg.
    with suppress(OSError, psycopg.OperationalError), socket.socket(fileno=os.dup(connection.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)


@dataclass
class Answer:
    """The rows of a statement, and how often it was repeated to get them."""

    rows: list[Row]
    retried: int


class Database:
    """The pool, and the rule for repeating a statement on it."""

    def __init__(self, config: Config) -> None:
        """Prepare the pool without connecting; `open` starts it."""
        self._deadline, self._vigil = config.deadline, Vigil(self._takes_writes)
        self._dsn = config.dsn
        # Transaction pooling keeps no prepared statement of ours.
        self._options: dict[str, Any] = {
            "autocommit": True,
            "prepare_threshold": None,
            "row_factory": dict_row,
            "password": config.password,
            "connect_timeout": 2,
            "application_name": "credit-api",
        }
        self._pool = AsyncConnectionPool(
            self._dsn,
            connection_class=Connection,
            kwargs=self._options,
            min_size=min(4, config.connections),
            max_size=config.connections,
            configure=self._configure,
            # The pool's own back-off doubles without bound; giving up early lets the next request connect at once.
            reconnect_timeout=2,
            open=False,
        )

    async def open(self) -> None:
        """Start connecting in the background."""
        await self._pool.open()

    async def close(self) -> None:
        """Close the idle connections, and those in use when they come back."""
        self._vigil.end()
        await self._pool.close()

    async def run(self, sql: str, params: tuple[object, ...] = (), *, repeatable: bool = False) -> Answer:
        """Run one statement in a transaction of its own and return what it answers.

        `repeatable` says that it gives the same answer when it is sent again. Raises Refused: the function's own, BUSY
        where nothing was done in time, UNKNOWN where it may have been.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + self._deadline
        pause, retried, unknown = FIRST_PAUSE, 0, False
        while True:
            try:
                return Answer(await self._attempt(sql, params, until), retried)
            except Ended:
                continue
            except Exception as error:
                became = fate(error)
                if became is Fate.WRONG:
                    refusal = BY_SQLSTATE.get(getattr(error, "sqlstate", None) or "")
                    raise (Refused(refusal) if refusal else error) from error
            unknown = unknown or became is Fate.UNKNOWN
            if (unknown and not repeatable) or loop.time() + pause >= until - LEAST:
                raise Refused(UNKNOWN if unknown else BUSY)
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311  spreads the herd, guards nothing
            pause, retried = min(2 * pause, LONGEST_PAUSE), retried + 1

    async def _attempt(self, sql: str, params: tuple[object, ...], until: float) -> list[Row]:
        loop, sent_by = asyncio.get_running_loop(), until - LEAST
        await self._vigil.wait(sent_by)
        async with self._pool.connection(timeout=max(0.001, sent_by - loop.time())) as connection:
            if ended(connection):
                await connection.close()
                raise Ended
            cut = loop.call_at(until, sever, connection)
            try:
                rows = await (await connection.execute(sql.encode(), params)).fetchall()
                if connection.doubtful:
                    raise Doubtful("the commit came with a warning")
            except psycopg.Error as error:
                if is_away(error) and loop.time() < until:
                    self._vigil.miss()
                if fate(error) is Fate.UNKNOWN:
                    await connection.close()
                raise
            finally:
                cut.cancel()
            return rows

    async def _takes_writes(self) -> bool:
        """Ask on a session of its own: one that is kept may lead to a server that is gone."""
        loop = asyncio.get_running_loop()
        try:
            async with await psycopg.AsyncConnection.connect(self._dsn, **self._options) as connection:
                cut = loop.call_later(LOOK, sever, connection)
                try:
                    row = await (await connection.execute("SELECT NOT pg_is_in_recovery() AS leads")).fetchone()
                finally:
                    cut.cancel()
        except psycopg.Error:
            return False
        return bool(row and row["leads"])

    @staticmethod
    async def _configure(connection: psycopg.AsyncConnection[Any]) -> None:
        connection.add_notice_handler(cast(Connection, connection).note)
