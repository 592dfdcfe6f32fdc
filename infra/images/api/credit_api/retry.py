"""What a failed statement says about whether it was carried out, and whether to try again."""

from __future__ import annotations

from enum import Enum

import psycopg
from psycopg_pool import PoolTimeout


class Fate(Enum):
    """What became of a statement that failed."""

    UNDONE = "undone"  # certainly not carried out, and worth repeating
    UNKNOWN = "unknown"  # perhaps committed: repeat it only where the same key gives the same answer
    WRONG = "wrong"  # the statement itself is at fault; repeating it changes nothing


# Rolled back, for what others did meanwhile.
CROSSED = frozenset({"40001", "40P01", "57014"})
# 25006: the route still points at a member that has just become a standby, or is not yet leader. 53300 and 57P03 were
# turned away at the door.
UNDONE = CROSSED | {"25006", "53300", "57P03"}
# 57P01 and 57P02 end a session whose COMMIT may already stand.
UNKNOWN = frozenset({"57P01", "57P02"})
# PgBouncer speaks of its own troubles with 08P01, before a server has seen the statement.
POOLER_REFUSES = ("server login has been failing", "query_wait_timeout", "server_login_retry", "pgbouncer cannot")


def fate(error: Exception) -> Fate:
    """Tell what became of the statement that raised `error`.

    An error without a SQLSTATE means a broken connection or, behind PgBouncer, a protocol that psycopg no longer
    follows ("received 2 results from command"): both may come after the commit.
    """
    if isinstance(error, PoolTimeout | TimeoutError):
        return Fate.UNDONE
    if not isinstance(error, psycopg.Error):
        return Fate.WRONG
    state = error.sqlstate
    if state in UNDONE:
        return Fate.UNDONE
    if state is None or state in UNKNOWN:
        return Fate.UNKNOWN
    if state.startswith("08"):
        return Fate.UNDONE if any(words in str(error) for words in POOLER_REFUSES) else Fate.UNKNOWN
    return Fate.WRONG


def is_away(error: psycopg.Error) -> bool:
    """Tell whether whoever asks next would fare no better: it was not the statement, nor the end of one session."""
    return fate(error) is not Fate.WRONG and error.sqlstate not in CROSSED | UNKNOWN
