"""The two sites' pgBackRest repositories: where their commands run, what they hold, which kind of backup is due."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from infra.settings import Backup as Policy
from infra.settings import Site, container
from runbooks.adapters import patroni, pgbackrest, postgres, s3
from runbooks.adapters.pgbackrest import Backup, Kind
from runbooks.core.command import Command
from runbooks.core.errors import CommandFailed, NotReady
from runbooks.core.host import Estate, Host
from runbooks.core.run import Run

T = TypeVar("T")


def cluster(estate: Estate) -> patroni.Cluster:
    """Return Patroni's view, from whichever site answers; NotReady with what each site said where none does."""
    return _first(
        estate, "db", patroni.cluster(), "no database of the stack answers. Is it up? ./inv status, then ./inv up"
    )


def workplace(estate: Estate) -> Host:
    """Return the `backup` container in which to run pgBackRest: beside a standby that streams, else beside the leader.

    A backup read from a standby takes nothing from the member that takes payments.
    """
    settings, seen = estate.settings, cluster(estate)
    order = [member.name for member in (*seen.standbys, seen.leader)]
    sites = [site for name in order for site in settings.sites if container(settings, site, "db") == name]
    said = []
    for site in sites:
        host = estate.member(site, "backup")
        try:
            host.ask(pgbackrest.version())
        except CommandFailed as failure:
            said.append(str(failure))
            continue
        return host
    raise NotReady("\n".join(("no backup container answers. ./inv up starts what is stopped", *said)))


def inventory(estate: Estate, site: Site) -> pgbackrest.Inventory:
    """Return what `site`'s repository holds; NotReady where no backup container can say."""
    settings = estate.settings
    question = pgbackrest.info(settings.cluster, settings.repository(site))
    return _first(estate, "backup", question, f"the repository of {site.name} cannot be read")


def made_by(run: Run, site: Site) -> Backup | None:
    """Return the backup that `run` (or its runner that died) finished in `site`'s repository, if there is one."""
    listed = inventory(run.estate, site).of(run.settings.repository(site))
    return next((backup for backup in reversed(listed) if backup.run == run.id), None)


def chosen(run: Run) -> list[Site]:
    """Return the sites that this run backs up to."""
    return [site for site in run.settings.sites if site.name in run.recall("sites", [])]


def due(backups: Sequence[Backup], policy: Policy, now: datetime) -> Kind:
    """Return the kind of the next backup in one repository, given what it holds, oldest first."""
    fulls = [b for b in backups if b.kind == "full"]
    if not fulls or now - fulls[-1].ended_at >= timedelta(days=policy.full_every_days):
        return "full"
    whole = [b for b in backups if b.kind != "incr"]
    return "diff" if now - whole[-1].ended_at >= timedelta(days=policy.differential_every_days) else "incr"


def segments(estate: Estate, site: Site) -> list[str]:
    """Return the name of every segment in `site`'s repository, sorted."""
    settings, store = estate.settings, estate.store(site)
    bucket, prefix = settings.bucket(site), pgbackrest.archived(settings.cluster, settings.database.major)
    found: list[str] = []
    while page := store.ask(s3.keys(bucket, prefix, found[-1] if found else "")):
        found += page
    return sorted(name for name in map(pgbackrest.segment, found) if name)


def lacking(backup: Backup, archived: Sequence[str]) -> list[str]:
    """Return the segments that `backup` cannot be restored without and that are not archived."""
    return sorted(set(postgres.between(backup.wal_start, backup.wal_stop)) - set(archived))


def _first(estate: Estate, role: str, question: Command[T], trouble: str) -> T:
    """Ask `role` of one site after the other and return the first answer."""
    said = []
    for site in estate.settings.sites:
        try:
            return estate.member(site, role).ask(question)
        except CommandFailed as failure:
            said.append(str(failure))
    raise NotReady("\n".join((f"stack {estate.settings.stack}: {trouble}", *said)))
