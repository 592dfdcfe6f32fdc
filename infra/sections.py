"""The sections of a stack's config, one class each, with the values that hold where a stack says nothing.

Sizes are bytes, durations seconds unless a field's name says otherwise.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

STRICT = ConfigDict(extra="forbid")
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]{1,11}$")]
At = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]  # to be quoted in YAML, which takes 18:00 for a number
Url = Annotated[str, Field(pattern=r"^(https?://[^\s@]+)?$")]
MiB = 1024 * 1024


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Database:
    """PostgreSQL under Patroni."""

    major: int = 17
    generation: int = 1
    shared_buffers: str = "256MB"
    max_connections: Annotated[int, Field(ge=25)] = 100  # twelve of them are kept from customers
    durability: Literal["available", "strict"] = "available"
    ttl_seconds: Annotated[int, Field(ge=20)] = 20
    loop_wait_seconds: int = 1
    retry_timeout_seconds: int = 3
    archive_timeout_seconds: int = 30

    @property
    def path(self) -> str:
        """Return PostgreSQL's data folder in its volume: a major upgrade or a restore makes a new one beside it."""
        return f"/data/{self.major}/{self.generation}"


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Backup:
    """pgBackRest's retention and the lock that keeps what it wrote from being deleted."""

    lock_days: Annotated[int, Field(ge=1)] = 21
    retention_days: Annotated[int, Field(ge=1)] = 14
    full_every_days: int = 7
    differential_every_days: int = 1
    process_max: Annotated[int, Field(ge=1)] = 2  # a backup to both repositories at once shares them out
    archive_lag_seconds: int = 60
    age_limit_hours: int = 26
    free_bytes: int = 1024 * MiB
    stall_seconds: Annotated[int, Field(ge=1)] = 120  # the longest that copying may move nothing before it is ended
    fingerprint_seconds: Annotated[int, Field(ge=10)] = 600  # the longest that a member keeps a snapshot for one
    # The longest that payments wait for one where no standby streams; below the second after which PostgreSQL looks
    # for a deadlock, and would end a payment's transaction rather than ours.
    barrier_seconds: Annotated[float, Field(ge=0.05, le=0.9)] = 0.5


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Drill:
    """What was agreed for a restore, and how long one database's fingerprint or check may take."""

    rto_seconds: int = 900
    rpo_seconds: int = 120
    check_seconds: int = 3600
    age_limit_hours: int = 26  # how long ago the last proved drill may be


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Schedule:
    """When the jobs of `inv schedule.render` run, in UTC, and who is told of one that fails.

    `notify_command` gets the notice on stdin, `notify_url` as JSON by POST; `ping_url` hears of each check that found
    all in time. A URL that is itself a secret stays out of here: SEPARUH_NOTIFY_URL_FILE, SEPARUH_PING_URL_FILE.
    """

    backup_at: At = "18:00"
    drill_at: At = "19:00"
    jitter_seconds: Annotated[int, Field(ge=0, le=3600)] = 600  # so that many stacks do not begin at once
    lease_wait_seconds: Annotated[int, Field(ge=0)] = 7200  # how long a job waits for another run's end
    job_hours: Annotated[int, Field(ge=1, le=24)] = 12  # after which a job is ended, its waiting included
    notify_command: tuple[str, ...] = ()
    notify_url: Url = ""
    ping_url: Url = ""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Switchover:
    """When the leader may be moved, and for how long at most payments are held meanwhile.

    A transaction keeps all others waiting while payments are being held, so none may be older than this. A request is
    answered within 8 s or refused by credit-api: holding it longer helps nobody.
    """

    transaction_seconds: Annotated[float, Field(gt=0)] = 5
    idle_in_transaction_seconds: Annotated[float, Field(gt=0)] = 2
    replay_lag_seconds: Annotated[float, Field(gt=0)] = 2
    hold_seconds: Annotated[int, Field(ge=2, le=25)] = 8  # the pooler itself refuses whom it held for 30


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Failover:
    """What was agreed for the loss of a leader or its site, how it is replaced, and how long a game day's fault stays.

    It is replaced once its lease in etcd (`database.ttl_seconds`) is over or, where the witness has a `detector`,
    before that. The detector takes the key of a leader that was silent for `silence_seconds`, and has not renewed its
    lease for so long since that was due: by then a leader that lives and cannot reach a quorum has given up by itself.
    A game day's fault is lifted after `fault_seconds` whoever is gone by then; the lease has to run out meanwhile, and
    the other site to take over.
    """

    rto_seconds: Annotated[int, Field(ge=1)] = 30
    fault_seconds: Annotated[int, Field(ge=30, le=900)] = 90
    detector: bool = False
    silence_seconds: Annotated[float, Field(ge=2)] = 3


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Dns:
    """The name under which customers find the active site: two failover records in Route 53, whose set identifiers are
    the sites' names. Its service is asked with the operator's own AWS credentials."""

    zone: Annotated[str, Field(pattern=r"^[A-Z0-9]+$")]  # the hosted zone's id
    name: Annotated[str, Field(pattern=r"^[a-z0-9.-]+$")]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Member:
    """What one role may use. `cpu_shares` is a weight: it counts only when the CPUs are busy."""

    memory: int
    cpu_shares: int


# Payment path and quorum high, stores and backups low (measured: facts on a loaded two-core host).
MEMBERS = {
    "etcd": Member(memory=256 * MiB, cpu_shares=2048),
    "detector": Member(memory=64 * MiB, cpu_shares=1024),
    "db": Member(memory=2048 * MiB, cpu_shares=1024),
    "pooler": Member(memory=128 * MiB, cpu_shares=1024),
    "route": Member(memory=128 * MiB, cpu_shares=1024),
    "gateway": Member(memory=128 * MiB, cpu_shares=1024),
    "api": Member(memory=256 * MiB, cpu_shares=1024),
    "backup": Member(memory=1024 * MiB, cpu_shares=64),
    "store": Member(memory=1536 * MiB, cpu_shares=64),
}
Role = Annotated[str, Field(pattern=f"^({'|'.join(MEMBERS)})$")]
