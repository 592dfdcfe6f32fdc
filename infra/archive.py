"""pgBackRest's configuration: which repositories a member knows, and how it reaches them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from infra.member import Ground, elsewhere
from infra.render import render
from infra.secrets import S3Key
from infra.settings import PORTS, Site, address, container

HTTPS = 443


@dataclass(frozen=True, kw_only=True)
class Repository:
    """A site's repository, as one member reaches it. `number` is pgBackRest's."""

    number: int
    bucket: str
    host: str
    port: int
    own_store: bool
    key: S3Key = field(repr=False)
    cipher: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Peer:
    """The other site's pgBackRest, and the port on which ours answers it. `name` is that of its certificate."""

    name: str
    host: str
    port: int
    listen: int = PORTS["backup"]


def repository(ground: Ground, site: Site) -> Repository:
    """Return `site`'s repository as a member on `ground` reaches it."""
    settings = ground.settings
    if site.s3_endpoint:
        url = urlsplit(site.s3_endpoint)
        host, port = url.hostname or "", url.port or HTTPS
    else:
        host, _, number = address(settings, ground.place, site, "store").rpartition(":")
        port = int(number)
    return Repository(
        number=settings.repository(site),
        bucket=settings.bucket(site),
        host=host,
        port=port,
        own_store=not site.s3_endpoint,
        key=ground.secrets.s3(site.name),
        cipher=ground.secrets.cipher(site.name),
    )


def configuration(ground: Ground, sites: Sequence[Site], *, push: bool = False, peer: Peer | None = None) -> str:
    """Return a pgBackRest file that knows the repositories of `sites`, and `peer`'s database where it is given.

    One to `push` with is for archiving alone: pushing runs ahead of PostgreSQL, everything else does not.
    """
    settings = ground.settings
    return render(
        "backup/pgbackrest.conf",
        cluster=settings.cluster,
        backup=settings.backup,
        repositories=[repository(ground, site) for site in sites],
        data=settings.database.path,
        push=push,
        peer=peer,
    )


def peer_of(ground: Ground, other: Site) -> Peer:
    """Return the backup role of the `other` site, as a member on `ground` reaches it."""
    host, _, port = elsewhere(ground.settings, other, "backup").rpartition(":")
    return Peer(name=container(ground.settings, other, "backup"), host=host, port=int(port))
