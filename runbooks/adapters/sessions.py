"""Who keeps the leader from coming to rest: transactions that have been open for too long."""

from __future__ import annotations

from dataclasses import dataclass

from runbooks.core.command import Query

# The text of a query may hold a customer's data, and is for nobody's screen.
_OPEN = """
SELECT pid, coalesce(usename, ''), coalesce(datname, ''), application_name, coalesce(host(client_addr), 'its own host'),
       extract(epoch FROM clock_timestamp() - xact_start),
       CASE WHEN starts_with(state, 'idle in') THEN extract(epoch FROM clock_timestamp() - state_change) END
  FROM pg_stat_activity
 WHERE backend_type = 'client backend' AND xact_start IS NOT NULL AND pid <> pg_backend_pid()
 ORDER BY xact_start
"""


@dataclass(frozen=True, kw_only=True)
class Session:
    """A session with an open transaction. `idle_seconds`: since when it has done nothing in it; None while it works."""

    pid: int
    user: str
    database: str
    application: str
    client: str
    seconds: float
    idle_seconds: float | None

    def __str__(self) -> str:
        """Name it as an operator looks for it."""
        named = f" ({self.application})" if self.application else ""
        return f"session {self.pid} of {self.user}{named} from {self.client} in {self.database}"


def open_transactions() -> Query[list[Session]]:
    """Ask for every session of a client that is in a transaction, the oldest first."""
    return Query(sql=_OPEN, parse=lambda rows: [_session(*row) for row in rows], within=10)


def _session(
    pid: str | None,
    user: str | None,
    database: str | None,
    application: str | None,
    client: str | None,
    seconds: str | None,
    idle: str | None,
) -> Session:
    return Session(
        pid=int(pid or 0),
        user=user or "",
        database=database or "",
        application=application or "",
        client=client or "",
        seconds=float(seconds or 0),
        idle_seconds=float(idle) if idle else None,
    )
