"""A stack's config as frozen dataclasses. The only reader of it, for the Pulumi program and the runbooks alike.

The file is `Pulumi.<stack>.yaml`; its keys are `separuh:<field of Settings>`. Sizes are bytes, durations seconds
unless a field's name says otherwise.
"""

from __future__ import annotations

import re
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from infra.settings_rules import problems

ROOT = Path(__file__).resolve().parent.parent
PREFIX = "separuh:"
STRICT = ConfigDict(extra="forbid")
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]{1,11}$")]
At = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]  # to be quoted in YAML, which takes 18:00 for a number
Url = Annotated[str, Field(pattern=r"^(https?://[^\s@]+)?$")]
FromRoot = Annotated[str, AfterValidator(lambda path: str(ROOT / Path(path).expanduser()))]
MiB = 1024 * 1024

# Inside a container. Between places that do not share an engine each is published under the same number.
PORTS = {
    "etcd": 2379,
    "etcd_peer": 2380,
    "db": 5432,
    "patroni": 8008,
    "backup": 8432,
    "pooler": 6432,
    "route": 5432,
    "gateway": 8080,
    "api": 8000,
    "store": 9000,
    "metrics": 8404,
}
ACROSS_PLACES = ("etcd", "etcd_peer", "db", "patroni", "backup", "store")
ON_LINK = ("etcd", "db", "backup", "route", "store")  # the roles of a site that speak with other places


class SettingsError(Exception):
    """The stack's config cannot be used; the message says which file, which key and what to do."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Publish:
    """Where a place's ports can be reached from outside its engine; nothing else is published.

    `address` is IPv4, as Docker binds ports to addresses alone.
    """

    address: Annotated[str, Field(pattern=r"^\d{1,3}(\.\d{1,3}){3}$")] = "127.0.0.1"
    gateway: int = 0
    store: int = 0


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Place:
    """A Docker engine: `local`, or `ssh://user@host[:port]`."""

    name: Name
    city: str
    engine: Annotated[str, Field(pattern=r"^(local|ssh://[^@/]+@[^/:]+(:\d+)?)$")] = "local"
    publish: Publish = field(default_factory=Publish)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Site(Place):
    """A place where the system can serve."""

    apis: Annotated[int, Field(ge=1, le=16)] = 2
    s3_endpoint: str = ""  # the company's own S3, https://host[:port]; empty: a store of our own
    store_bytes: Annotated[int, Field(ge=2048 * MiB)] = 20480 * MiB  # of a store of our own; it can only grow


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Ssh:
    """How places behind ssh:// are reached. Host keys are always checked. A relative path is the checkout's."""

    identity_file: FromRoot = "~/.ssh/id_ed25519"
    known_hosts: FromRoot = "~/.ssh/known_hosts"


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Database:
    """PostgreSQL under Patroni."""

    major: int = 17
    generation: int = 1
    shared_buffers: str = "256MB"
    max_connections: int = 100
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


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Settings:
    """One stack. `cluster` names the Patroni scope, the pgBackRest stanza and the database."""

    stack: Name
    production: bool = False
    cluster: Name = "credit"
    engine: Literal["auto", "pulumi", "embedded"] = "auto"
    sites: Annotated[tuple[Site, ...], Field(min_length=2, max_length=2)]
    witness: Place
    ssh: Ssh = field(default_factory=Ssh)
    database: Database = field(default_factory=Database)
    backup: Backup = field(default_factory=Backup)
    drill: Drill = field(default_factory=Drill)
    schedule: Schedule = field(default_factory=Schedule)
    switchover: Switchover = field(default_factory=Switchover)
    failover: Failover = field(default_factory=Failover)
    dns: Dns | None = None  # without it no name is moved
    members: dict[Role, Member] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)
    api_image: str = ""
    otlp_endpoint: Url = ""  # takes spans; empty: none are sent

    @property
    def places(self) -> tuple[Place, ...]:
        """Both sites, then the witness."""
        return (*self.sites, self.witness)

    @property
    def one_engine(self) -> bool:
        """Whether every place is the same Docker engine, so that a Docker network can be the link."""
        return len({place.engine for place in self.places}) == 1

    def site(self, name: str) -> Site:
        """Return the site called `name`; SettingsError names those there are."""
        for site in self.sites:
            if site.name == name:
                return site
        raise SettingsError(
            f"stack {self.stack} has no site {name!r}: its sites are {' and '.join(s.name for s in self.sites)}"
        )

    def member(self, role: str) -> Member:
        """Return the limits of `role`: the stack's own, else the product's."""
        return self.members.get(role) or MEMBERS[role]

    def repository(self, site: Site) -> int:
        """Return pgBackRest's number of the repository in `site`'s store, from 1."""
        return self.sites.index(site) + 1

    def bucket(self, site: Site) -> str:
        """Return the name of the bucket that holds `site`'s repository."""
        return f"{self.stack}-{site.name}-backup"


def witness_roles(settings: Settings) -> tuple[str, ...]:
    """Return the roles that the witness has."""
    return ("etcd", "detector") if settings.failover.detector else ("etcd",)


def container(settings: Settings, place: Place, role: str, n: int = 1) -> str:
    """Return the fixed name under which a member is found without any state."""
    return f"{settings.stack}-{place.name}-{role}-{n}"


def engine(settings: Settings, place: Place, role: str) -> str:
    """Return the Docker engine on which `role` of `place` runs: `local` or `ssh://…`."""
    del settings, role  # every role of a place shares its engine today; callers must not assume it
    return place.engine


def address(settings: Settings, asker: Place, place: Place, role: str, n: int = 1) -> str:
    """Return `host:port` by which a member of `asker` reaches `role` of `place`.

    A name on the place's own LAN, a name on the link between places, or the host's address and published port.
    """
    port = PORTS[role]
    host_role = {"etcd_peer": "etcd", "patroni": "db"}.get(role, role)
    if asker.name == place.name:
        return f"{host_role}-{n}.{place.name}:{port}"
    if role not in ACROSS_PLACES:
        raise SettingsError(f"{role} of {place.name} cannot be reached from {asker.name}: it serves its own site only")
    if settings.one_engine:
        return f"{host_role}-{n}.{place.name}.link:{port}"
    return f"{place.publish.address}:{published(place, role)}"


def published(place: Place, role: str) -> int:
    """Return the port of `place`'s address under which `role` is published to the outside."""
    return getattr(place.publish, role, 0) or PORTS[role]


def load(stack: str, root: Path = ROOT) -> Settings:
    """Read `Pulumi.<stack>.yaml` under `root`.

    Raises SettingsError for an unknown stack, an unknown or wrong key, or places that cannot make a quorum.
    """
    path = root / f"Pulumi.{stack}.yaml"
    if not re.fullmatch(r"[a-z][a-z0-9]{1,11}", stack):
        raise SettingsError(f"no stack {stack!r}: a name has 2 to 12 of a-z and 0-9, a letter first")
    if not path.is_file():
        known = sorted(p.name.split(".")[1] for p in root.glob("Pulumi.*.yaml"))
        raise SettingsError(f"no stack {stack!r}: there is no {path.name}; known stacks: {', '.join(known) or 'none'}")
    try:
        config: dict[str, Any] = (yaml.safe_load(path.read_text()) or {}).get("config") or {}
        values = {key.removeprefix(PREFIX): value for key, value in config.items() if key.startswith(PREFIX)}
        settings: Settings = TypeAdapter(Settings).validate_python({**values, "stack": stack})
    except yaml.YAMLError as error:
        raise SettingsError(f"{path.name} is not YAML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"{path.name}: {PREFIX}{where}: {first['msg']}") from error
    if wrong := "; ".join(problems(settings)):
        raise SettingsError(f"{path.name}: {wrong}")
    return settings
