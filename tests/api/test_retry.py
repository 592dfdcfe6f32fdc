"""Each failure a moving leader was seen to cause, and what became of the statement."""

from __future__ import annotations

import psycopg
import pytest
from credit_api.database import Doubtful
from credit_api.retry import Fate, fate
from psycopg import errors
from psycopg_pool import PoolTimeout


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.ReadOnlySqlTransaction("cannot execute INSERT in a read-only transaction"), Fate.UNDONE),
        (errors.SerializationFailure(), Fate.UNDONE),
        (errors.DeadlockDetected(), Fate.UNDONE),
        (errors.QueryCanceled(), Fate.UNDONE),
        (errors.CannotConnectNow(), Fate.UNDONE),
        (PoolTimeout(), Fate.UNDONE),
        (TimeoutError(), Fate.UNDONE),
        (errors.ProtocolViolation("server login has been failing, cached error: … (server_login_retry)"), Fate.UNDONE),
        (errors.ProtocolViolation("query_wait_timeout"), Fate.UNDONE),
        (errors.ProtocolViolation("server conn crashed?"), Fate.UNKNOWN),
        (errors.ConnectionFailure(), Fate.UNKNOWN),
        (errors.AdminShutdown(), Fate.UNKNOWN),
        (psycopg.OperationalError("consuming input failed: server closed the connection unexpectedly"), Fate.UNKNOWN),
        (psycopg.InternalError("received 2 results from command 'COMMIT'"), Fate.UNKNOWN),
        (Doubtful("canceling wait for synchronous replication"), Fate.UNKNOWN),
        (errors.UniqueViolation(), Fate.WRONG),
        (errors.ForeignKeyViolation(), Fate.WRONG),
        (errors.UndefinedFunction(), Fate.WRONG),
        (ValueError(), Fate.WRONG),
    ],
    ids=lambda value: value.name if isinstance(value, Fate) else f"{type(value).__name__} {value}"[:40],
)
def test_fate(error: Exception, expected: Fate) -> None:
    assert fate(error) is expected
