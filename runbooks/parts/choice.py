"""Which backup a drill restores, and up to where: the newest to its fingerprint, or the one that leads to a point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from infra.settings import Site
from runbooks.adapters import pgbackrest, replay, timelines
from runbooks.adapters.pgbackrest import Backup
from runbooks.adapters.postgres import position
from runbooks.adapters.timelines import Timeline
from runbooks.core.errors import NotReady
from runbooks.core.evidence import Restored
from runbooks.core.leader import leader
from runbooks.core.run import Run
from runbooks.parts import throwaway
from runbooks.parts.apart import asked, here
from runbooks.parts.repositories import archived, chosen, cluster, inventory
from runbooks.parts.source import fetch
from runbooks.parts.target import Target, pick
from runbooks.parts.versions import advice

SCRATCH = "/tmp"  # noqa: S108 - inside the container
LOOKED_BACK = 32  # segments in which a commit is looked for, newest first; a backup alone closes several


def a_backup_is_chosen(run: Run) -> None:
    """Choose the backup, and note what the archives hold before anything is restored."""
    site, as_of = throwaway.origin(run), run.arguments.get("as_of", "")
    held = inventory(run.estate, [site], as_of).of(run.settings.repository(site))
    if not held:
        when = f" as of {as_of}" if as_of else ""
        hint = advice(run.estate, site, as_of=as_of)
        raise NotReady(
            f"{site.name}: its repository has no backup{when}\n{hint or './inv backup.list shows what there is'}"
        )
    backup = _with_fingerprint(run, site, held) if asked(run).kind == "newest" else _leading(run, site, held)
    run.remember("backup", asdict(told(site, backup, as_of)))
    keys = {each.name: archived(run.estate, each) for each in chosen(run)}
    then = archived(run.estate, site, as_of) if as_of else keys[site.name]
    run.remember("archived", keys)
    run.remember("segments", sorted(filter(None, map(pgbackrest.segment, then)), reverse=True)[:LOOKED_BACK])
    ended = f"{backup.ended_at:%Y-%m-%d %H:%M} UTC"
    up_to = "" if asked(run).kind == "newest" else f", up to {asked(run)}"
    said = f"{here(run).name}: backup {backup.label} from {site.name}, which ended {ended}{up_to}"
    run.estate.console.print(said)


def lineage(run: Run, site: Site, number: int) -> Timeline:
    """Return a timeline with what it goes on from, as `site`'s archive tells."""
    if number == timelines.FIRST:
        return Timeline(number=number)
    as_of = run.arguments.get("as_of", "") if site == throwaway.origin(run) else ""
    repository = run.settings.repository(site)
    question = timelines.history_as_of(run.settings.cluster, repository, number, SCRATCH, as_of)
    return run.estate.member(here(run), "backup").ask(question)


def told(site: Site, backup: Backup, as_of: str = "") -> Restored:
    """Return a backup as evidence tells of it."""
    return Restored(
        repository=site.name,
        label=backup.label,
        kind=backup.kind,
        ended_at=backup.ended_at.isoformat(),
        database_bytes=backup.database_bytes,
        as_of=as_of,
    )


def _with_fingerprint(run: Run, site: Site, held: Sequence[Backup]) -> Backup:
    """Return the newest, or the one named; it must have a fingerprint, or there is nothing to compare a copy with."""
    label = run.arguments.get("backup")
    if not (found := [backup for backup in held if label in (None, backup.label)]):
        raise NotReady(f"{site.name}: its repository has no backup {label}: ./inv backup.list shows what there is")
    backup = found[-1]
    if not _has_fingerprint(run, site, backup):
        able = next((each.label for each in reversed(held) if _has_fingerprint(run, site, each)), "")
        drill = f"./inv restore-drill --from {site.name} --backup {able}"
        instead = f"The newest there that has one is {able}: {drill}" if able else "No other there has one either"
        raise NotReady(
            f"{site.name}: backup {backup.label} has no fingerprint, so a copy of it cannot be proved. {instead}. "
            "./inv backup makes one that has; ./inv restore-drill --at TIME compares a copy with one from the other "
            "site instead"
        )
    run.remember("label", backup.label)
    point = throwaway.source(run).point
    run.remember("target", asdict(Target(kind="lsn", value=point.lsn)))
    run.remember("timeline", point.timeline)
    return backup


def _has_fingerprint(run: Run, site: Site, backup: Backup) -> bool:
    as_of = run.arguments.get("as_of", "")
    if as_of and fetch(run.estate, site, backup.label, as_of):
        return True
    return any(fetch(run.estate, each, backup.label) for each in chosen(run))


def _leading(run: Run, site: Site, held: Sequence[Backup]) -> Backup:
    """Return the newest that leads to the point that was asked for, which must be behind us."""
    wanted, serving = asked(run), leader(run.estate)
    if wanted.kind == "time" and (now := serving.ask(replay.clock())) < wanted.at:
        raise NotReady(f"{wanted.value} is still to come: on {serving.name} it is {now.isoformat()}")
    end, _ = serving.ask(replay.written())
    if wanted.kind == "lsn" and position(wanted.value) > position(end):
        raise NotReady(f"{wanted.value} is not written yet: the log of {serving.name} ends at {end}")
    number = cluster(run.estate).leader.timeline
    backup = pick(held, wanted, lineage(run, site, number))
    run.remember("label", backup.label)
    run.remember("target", asdict(wanted))
    run.remember("timeline", number)
    return backup
