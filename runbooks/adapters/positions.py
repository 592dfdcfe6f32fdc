"""How far a member has come in the log: what is compared after a loss."""

from __future__ import annotations

from dataclasses import dataclass

from runbooks.adapters.postgres import WORD, position
from runbooks.core.command import Query

# The log that a standby replays may come from the archive too, so that it has replayed more than it has received.
POSITION = """
SELECT pg_is_in_recovery(),
       CASE WHEN pg_is_in_recovery() THEN greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
            ELSE pg_current_wal_flush_lsn() END,
       CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() END,
       to_char(pg_last_xact_replay_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')
"""


@dataclass(frozen=True, kw_only=True)
class Position:
    """How far a member has come: `holds` is the end of the log that it has; of a standby also `replayed`.

    `last_commit` is when the newest transaction that it replayed was committed, ISO 8601 in UTC, "" if it knows none.
    """

    standby: bool
    holds: str
    replayed: str
    last_commit: str

    @property
    def bytes(self) -> int:
        """The end of the log that it has, counted from the log's beginning; 0 where nothing is known."""
        return position(self.holds) if self.holds else 0


def ask_position() -> Query[Position]:
    """Ask a member how far it has come."""
    return Query(sql=POSITION, parse=_position, within=5)


def commits() -> Query[bool]:
    """Ask the leader whether it commits: it changes nothing, and is flushed and waited for as a payment is.

    A transaction that has a number and nothing else is neither.
    """
    return Query(sql=f"SELECT {WORD}", parse=bool, within=8)


def _position(rows: list[tuple[str | None, ...]]) -> Position:
    standby, holds, replayed, last_commit = rows[0]
    return Position(standby=standby == "t", holds=holds or "", replayed=replayed or "", last_commit=last_commit or "")
