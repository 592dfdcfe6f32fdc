"""The two sites' pgBackRest repositories: where their commands run, what they hold, which kind of backup is due."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from infra.sections import Backup as Policy
from infra.settings import Settings, Site, container
from runbooks.adapters import docker, patroni, pgbackrest, postgres, s3
from runbooks.adapters.archive import Archive
from runbooks.adapters.pgbackrest import Backup, Kind
from runbooks.core.command import Command, Query
from runbooks.core.errors import CommandFailed, NotReady
from runbooks.core.gather import Silence, gather
from runbooks.core.host import Estate, Host
from runbooks.core.run import Run
from runbooks.parts.versions import held, history

T = TypeVar("T")
WITHIN = 20.0  # seconds to find out where pgBackRest can run


def cluster(estate: Estate) -> patroni.Cluster:
    """Return Patroni's view, from whichever site answers; NotReady with what each site said where none does."""
    return _first(
        estate, "db", patroni.cluster(), "no database of the stack answers. Is it up? ./inv status, then ./inv up"
    )


def databases_bytes(estate: Estate) -> int:
    """Return the bytes of all databases of the cluster, from whichever member answers: both have the same."""
    return _first(estate, "db", postgres.databases_bytes(), "no database tells its size. ./inv status shows which runs")


def workplace(estate: Estate) -> Host:
    """Return the `backup` container in which to run pgBackRest: beside a standby that streams, else beside the leader.

    A backup read from a standby takes nothing from the member that takes payments.
    """
    settings = estate.settings
    hosts = {container(settings, site, "db"): estate.member(site, "backup") for site in settings.sites}
    versions = {name: partial(host.ask, pgbackrest.version()) for name, host in hosts.items()}
    answers = gather({**versions, "": partial(cluster, estate)}, WITHIN)
    seen = answers[""]
    if isinstance(seen, Silence):
        raise NotReady(seen.why)
    for member in (*seen.standbys, seen.leader):
        if not isinstance(answers.get(member.name, Silence("")), Silence):
            return hosts[member.name]
    said = [answer.why for answer in answers.values() if isinstance(answer, Silence)]
    raise NotReady("\n".join(("no backup container answers. ./inv up starts what is stopped", *said)))


def inventory(estate: Estate, sites: Sequence[Site], as_of: str = "") -> pgbackrest.Inventory:
    """Return what the repositories of `sites` hold, of one also `as_of` then; NotReady where nobody can say.

    A store that does not answer keeps pgBackRest waiting for minutes: ask only for those that do.
    """
    settings = estate.settings
    one = settings.repository(sites[0]) if len(sites) == 1 else None
    names = " and ".join(site.name for site in sites)
    question = pgbackrest.info(settings.cluster, one, as_of)
    return _first(estate, "backup", question, f"the repository of {names} cannot be read")


def at_once(
    run: Run, act: Callable[[Site], None], sites: Sequence[Site] | None = None
) -> dict[Site, BaseException | None]:
    """Do the same for each of `sites`, else each site of the run, at the same time; return what each raised.

    A plan shows them in turn. Interrupted, it does not wait for what it began: the step's undo ends that.
    """
    sites = chosen(run) if sites is None else sites
    pool = ThreadPoolExecutor(max_workers=1 if run.planning else len(sites))
    try:
        begun = {site: pool.submit(act, site) for site in sites}
        return {site: future.exception() for site, future in begun.items()}
    finally:
        pool.shutdown(wait=False)


def everywhere(run: Run, act: Callable[[Site], None], sites: Sequence[Site] | None = None) -> None:
    """Do the same for each of `sites`, else each site of the run, at the same time; raise the first failure."""
    for failure in at_once(run, act, sites).values():
        if failure is not None:
            raise failure


def made_by(run: Run, sites: Sequence[Site]) -> dict[Site, Backup]:
    """Return the backups that `run` (or its runner that died) finished, by the site that keeps them."""
    held = inventory(run.estate, sites)
    listed = [(site, backup) for site in sites for backup in held.of(run.settings.repository(site))]
    return {site: backup for site, backup in listed if backup.run == run.id}


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


def archived(estate: Estate, site: Site, as_of: str = "") -> list[str]:
    """Return the key of all that is archived in `site`'s repository, or was `as_of` then: segments, and histories."""
    settings, store = estate.settings, estate.store(site)
    bucket, prefix = settings.bucket(site), pgbackrest.archived(settings.cluster, settings.database.major)
    if as_of:
        return sorted(held(history(estate, site, prefix), datetime.fromisoformat(as_of)))
    found: list[str] = []
    while page := store.ask(s3.keys(bucket, prefix, found[-1] if found else "")):
        found += page
    return found


def archive(settings: Settings, site: Site) -> Archive:
    """Return the archive in `site`'s repository, as a `backup` container of either site reads it."""
    return Archive(
        stanza=settings.cluster,
        repository=settings.repository(site),
        path=settings.database.path,
        scratch=docker.DATA,
    )


def dated(estate: Estate, site: Site) -> dict[str, datetime]:
    """Return the key of all that is archived in `site`'s repository, and when it was stored there."""
    settings, store = estate.settings, estate.store(site)
    bucket, prefix = settings.bucket(site), pgbackrest.archived(settings.cluster, settings.database.major)
    found: dict[str, datetime] = {}
    while page := store.ask(s3.dated(bucket, prefix, max(found, default=""))):
        found |= page
    return found


def segments(estate: Estate, site: Site) -> list[str]:
    """Return the name of every segment in `site`'s repository, sorted."""
    return sorted(name for name in map(pgbackrest.segment, archived(estate, site)) if name)


def lacking(backup: Backup, archived: Sequence[str]) -> list[str]:
    """Return the segments that `backup` cannot be restored without and that are not archived."""
    return sorted(set(postgres.between(backup.wal_start, backup.wal_stop)) - set(archived))


def _first(estate: Estate, role: str, question: Command[T] | Query[T], trouble: str) -> T:
    """Ask `role` of one site after the other and return the first answer."""
    said = []
    for site in estate.settings.sites:
        try:
            return estate.member(site, role).ask(question)
        except CommandFailed as failure:
            said.append(str(failure))
    raise NotReady("\n".join((f"stack {estate.settings.stack}: {trouble}", *said)))
