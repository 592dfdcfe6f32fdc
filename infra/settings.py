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
from pydantic import AfterValidator, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from infra.sections import (
    MEMBERS,
    STRICT,
    Backup,
    Database,
    Dns,
    Drill,
    Failover,
    Member,
    MiB,
    Name,
    Role,
    Schedule,
    Switchover,
    Url,
)
from infra.settings_rules import problems

ROOT = Path(__file__).resolve().parent.parent
PREFIX = "separuh:"
FromRoot = Annotated[str, AfterValidator(lambda path: str(ROOT / Path(path).expanduser()))]

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
