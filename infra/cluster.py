"""What the members of the database cluster share. Patroni keeps it in etcd: once made, no member's file changes it."""

from __future__ import annotations

from infra.sections import MiB
from infra.settings import Settings

BEHIND_AT_MOST = MiB  # bytes of the log that a standby may lack and still lead
FOR_SUPERUSER, FOR_REWIND = 8, 4  # connections that customers do not get


def shared(settings: Settings) -> dict[str, object]:
    """Return Patroni's dynamic configuration as the stack's config wants it."""
    database = settings.database
    return {
        "ttl": database.ttl_seconds,
        "loop_wait": database.loop_wait_seconds,
        "retry_timeout": database.retry_timeout_seconds,
        "maximum_lag_on_failover": BEHIND_AT_MOST,
        "synchronous_mode": True,
        "synchronous_mode_strict": database.durability == "strict",
        "primary_start_timeout": 0,
        "primary_stop_timeout": 10,
        "postgresql": {
            "use_pg_rewind": True,
            "use_slots": True,
            # What must be alike on both members; the rest is in each member's own file.
            "parameters": {
                "max_connections": database.max_connections,
                # Of those: for Patroni, backups and runbooks, and for pg_rewind. Commits that wait for a lost standby
                # take all others, with `strict` for as long as it is away: without these it could not come back.
                "superuser_reserved_connections": FOR_SUPERUSER,
                "reserved_connections": FOR_REWIND,
                "max_wal_senders": 10,
                "max_replication_slots": 10,
                "wal_level": "replica",
                "wal_log_hints": "on",
                "hot_standby": "on",
                "track_commit_timestamp": "on",
            },
        },
    }
