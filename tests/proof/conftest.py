"""A real PostgreSQL 17 to take fingerprints of, and a session that answers queries as `Host` does, only faster."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from docker.models.containers import Container
from psycopg.pq import ExecStatus

from runbooks.core.command import Query, T
from runbooks.core.errors import CommandFailed
from tests.api.conftest import address, connected, database, engine, tags

__all__ = ["database", "engine", "tags"]

DATABASE = "proof"


class Session:
    """Answers queries over connections that stay open, and changes what is asked about."""

    def __init__(self, container: Container, port: int = 5432) -> None:
        """Ask the server that listens there in `container`."""
        self.container, self.port = container, port
        self._alone = threading.Lock()
        self._connections: dict[str, psycopg.Connection] = {}

    def ask(self, question: Query[T]) -> T:
        """Return the answer; CommandFailed as `Host` has it."""
        with self._alone:
            return question.parse(self._rows(question))

    def _rows(self, question: Query[Any]) -> list[tuple[str | None, ...]]:
        connection = self.connection(question.database)
        rows: list[tuple[str | None, ...]] = []
        try:
            cursor = connection.execute(question.sql.encode())
            while True:
                rows += _texts(cursor)
                if not cursor.nextset():
                    return rows
        except psycopg.Error as error:
            raise CommandFailed(("psql",), "proof", 3, str(error)) from error
        finally:
            connection.execute("ROLLBACK")
            connection.execute("DISCARD ALL")

    def run(self, statement: str, database: str = DATABASE) -> None:
        """Change something, in one transaction."""
        self.connection(database).execute(statement.encode())

    def value(self, statement: str, database: str = DATABASE) -> object:
        """Return the one value that `statement` answers."""
        row = self.connection(database).execute(statement.encode()).fetchone()
        assert row
        return row[0]

    def empty(self) -> None:
        """Make the database `proof` anew."""
        self.close()
        self.run(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)", "postgres")
        self.run(f"CREATE DATABASE {DATABASE}", "postgres")

    def crash(self) -> None:
        """Kill the server and start it again: it recovers from its log."""
        self.close()
        self.container.kill()
        self.container.start()

    def connection(self, database: str) -> psycopg.Connection:
        """Return the session in `database`."""
        if database not in self._connections:
            connection = connected(f"{address(self.container)} port={self.port}", database)
            connection.prepare_threshold = None  # DISCARD ALL takes prepared statements away
            self._connections[database] = connection
        return self._connections[database]

    def close(self) -> None:
        """Close every connection."""
        while self._connections:
            self._connections.popitem()[1].close()


def _texts(cursor: psycopg.Cursor) -> list[tuple[str | None, ...]]:
    result = cursor.pgresult
    if result is None or result.status != ExecStatus.TUPLES_OK:
        return []
    return [
        tuple(None if (value := result.get_value(row, n)) is None else value.decode() for n in range(result.nfields))
        for row in range(result.ntuples)
    ]


@pytest.fixture(scope="session")
def server(database: Container) -> Iterator[Session]:
    """Return the server."""
    session = Session(database)
    session.empty()
    yield session
    session.close()


@pytest.fixture
def session(server: Session) -> Session:
    """Return the server, whose database is empty."""
    server.empty()
    return server
