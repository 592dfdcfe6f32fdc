"""Where commands run. The estate opens every connection, one a place, and holds it for the run.

Two verbs. `ask` looks and never changes anything, also while planning. `do` changes, and while planning is only shown.
"""

from __future__ import annotations

import csv
import io
import shlex
import threading
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console

from infra.settings import Place, Settings, Site, container, engine
from runbooks.core.command import Command, Query, T
from runbooks.core.connection import Connection, Local
from runbooks.core.errors import CommandFailed
from runbooks.core.hint import Screen
from runbooks.core.names import Names
from runbooks.core.store import Store

if TYPE_CHECKING:
    from infra.secrets import Secrets

NULL = r"\N"  # as COPY writes it
PSQL = ("psql", "-XAtq", "--csv", "--pset", f"null={NULL}", "--set", "ON_ERROR_STOP=1", "--dbname")
NO_ENGINE = ("Cannot connect to the Docker daemon", "error during connect")
NO_MEMBER = ("Error response from daemon", "Error: No such container")  # said with exit codes that programs use too
TIMED_OUT = 124  # coreutils' timeout


class Host:
    """One container, or (by `Estate.place`) the machine of a place's engine. Safe to use from several threads."""

    def __init__(self, name: str, connection: Connection, inside: bool, plan_only: bool, console: Console) -> None:
        """`inside` tells a container from an engine's machine."""
        self.name = name
        self._connection, self._inside = connection, inside
        self._plan_only, self._console = plan_only, console

    def ask(self, question: Command[T] | Query[T]) -> T:
        """Run what only looks and return what it parses to. CommandFailed: a bad exit code, or none in time."""
        if isinstance(question, Query):
            return question.parse(_rows(self._run(_psql(question), None)))
        return question.parse(self._run(question, None))

    def do(self, command: Command[Any], feed: Iterable[bytes] | None = None) -> None:
        """Run what changes; while planning only show it. `feed` streams stdin instead of `command.stdin`."""
        if self._plan_only:
            self._console.print(f"      {self.name} $ {shlex.join(command.argv)}")
            return
        self._run(command, feed)

    def _run(self, command: Command[Any], feed: Iterable[bytes] | None) -> str:
        if feed is None and command.stdin is not None:
            feed = (command.stdin.encode(),)
        output = self._connection.run(self._enclosed(command), feed, command.within)
        stderr = output.stderr.decode(errors="replace")
        refused = output.code != 0 and stderr.startswith((*NO_ENGINE, *NO_MEMBER) if self._inside else NO_ENGINE)
        if refused:
            stderr = f"{stderr.strip()}\nis the stack up? ./inv status shows which members run, ./inv up mends them"
        if output.code not in command.ok or refused:
            code = None if self._inside and output.code == TIMED_OUT else output.code
            raise CommandFailed(command.argv, self.name, code, stderr)
        return output.stdout.decode(errors="replace")

    def _enclosed(self, command: Command[Any]) -> tuple[str, ...]:
        """Return the command line for the engine's machine.

        Ending `docker exec` does not end what it started, so the limit holds inside the container too.
        """
        if not self._inside:
            return command.argv
        limit = ("timeout", "--kill-after=5", f"{command.within:g}")
        return ("docker", "exec", "-i", self.name, *limit, *command.argv)


class Members:
    """Every member and place of a stack, by name; connections open when first used and live until `close`.

    Whoever can talk to the engines reaches them; no secret of the stack is needed.
    """

    def __init__(self, settings: Settings, plan_only: bool = False, console: Console | None = None) -> None:
        """`plan_only` makes every `do` a line on `console` and nothing else."""
        self.settings, self.plan_only = settings, plan_only
        self.console = console or Screen(settings.stack)
        self._connections: dict[str, Connection] = {}
        self._lock = threading.Lock()

    def member(self, place: Place, role: str, n: int = 1) -> Host:
        """Return the n-th container of `role` at `place`."""
        connection = self._connection(engine(self.settings, place, role))
        return Host(container(self.settings, place, role, n), connection, True, self.plan_only, self.console)

    def named(self, place: Place, name: str) -> Host:
        """Return a container on `place`'s engine that is no member, by its whole name."""
        return Host(name, self._connection(place.engine), True, self.plan_only, self.console)

    def place(self, place: Place) -> Host:
        """Return the machine of `place`'s engine, for `docker …` itself."""
        return Host(place.name, self._connection(place.engine), False, self.plan_only, self.console)

    def _connection(self, engine: str) -> Connection:
        with self._lock:
            if engine not in self._connections:
                self._connections[engine] = _connect(engine, self.settings)
            return self._connections[engine]

    def close(self) -> None:
        """Close every connection; nothing may be used afterwards."""
        for connection in self._connections.values():
            connection.close()

    def __enter__(self) -> Self:
        """Return what was opened."""
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        """Close it."""
        self.close()


class Estate(Members):
    """The members, and both sites' stores, which the stack's secrets open."""

    def __init__(
        self, settings: Settings, secrets: Secrets, plan_only: bool = False, console: Console | None = None
    ) -> None:
        """As `Members`; a store, too, is opened when first used."""
        super().__init__(settings, plan_only, console)
        self.secrets = secrets
        self._stores: dict[str, Store] = {}

    def store(self, site: Site) -> Store:
        """Return the object store of `site`."""
        with self._lock:
            if site.name not in self._stores:
                self._stores[site.name] = Store(site, self.settings, self.secrets, self.plan_only, self.console)
            return self._stores[site.name]

    @property
    def names(self) -> Names:
        """The name service outside the estate."""
        return Names(self.plan_only, self.console)

    def close(self) -> None:
        """Close every connection and store."""
        super().close()
        for store in self._stores.values():
            store.close()


def _connect(engine: str, settings: Settings) -> Connection:
    """Return the way to an engine. What SSH needs takes 0.3 s to import: only where it is used."""
    if engine == "local":
        return Local()
    from runbooks.core.remote import Remote  # noqa: PLC0415

    return Remote(engine, settings.ssh)


def _psql(query: Query[Any]) -> Command[str]:
    return Command(argv=(*PSQL, query.database), stdin=query.sql, within=query.within)


def _rows(output: str) -> list[tuple[str | None, ...]]:
    return [tuple(None if field == NULL else field for field in row) for row in csv.reader(io.StringIO(output))]
