"""A cluster out of one site's repository: restored where no quorum lets Patroni act yet, recovered, and handed over."""

from __future__ import annotations

from infra.settings import Site, container
from runbooks.adapters import founding, pgbackrest, postgres, restored, timelines
from runbooks.core.errors import CommandFailed, NotVerified
from runbooks.core.host import Host
from runbooks.core.leader import WRITES
from runbooks.core.run import Run
from runbooks.parts import target
from runbooks.parts.repositories import archived, cluster, inventory
from runbooks.parts.throwaway import RECOVERING, RESTORING

END = "FFFFFFFF/FFFFFFFF"


def here(run: Run) -> Site:
    """Return the site that is restored, which is that of the repository."""
    return run.settings.site(run.arguments["from"])


def database(run: Run) -> Host:
    """Return the member whose volume is restored."""
    return run.estate.member(here(run), "db")


def readable(run: Run) -> bool:
    """Say whether the site's backup role reads a backup in its repository."""
    if not run.recall("up"):
        return False
    number = run.settings.repository(here(run))
    held = inventory(run.estate, [here(run)])
    if number in held.faults:
        raise NotVerified(held.faults[number])
    return bool(held.of(number))


def restore(run: Run) -> None:
    """Choose the backup that leads to the point, and bring it into the volume."""
    settings, site = run.settings, here(run)
    if run.planning:
        label, number = "LABEL", timelines.FIRST
    else:
        label, number = chosen(run)
        run.remember("label", label)
    command = founding.restore(
        settings.cluster,
        settings.repository(site),
        label,
        target.chosen(run.arguments.get("at", "")).options,
        number,
        settings.database.path,
        RESTORING,
    )
    run.estate.member(site, "backup").do(command)
    run.remember("restored", True)


def chosen(run: Run) -> tuple[str, int]:
    """Return the label of the backup that leads to the point, and the newest timeline, along which it does."""
    settings, site = run.settings, here(run)
    number, keys = settings.repository(site), archived(run.estate, site)
    newest = max([timelines.FIRST, *map(pgbackrest.timeline, filter(pgbackrest.segment, keys))])
    # Where each was left is in its history, for which pgBackRest wants a database that is not there yet. PostgreSQL
    # reads it, and does not start where the backup is of a branch that was left before it ended.
    line = timelines.Timeline(number=newest, left=tuple((n, END) for n in range(timelines.FIRST, newest)))
    backup = target.pick(inventory(run.estate, [site]).of(number), target.chosen(run.arguments.get("at", "")), line)
    said = (
        f"{site.name}: backup {backup.label}, which ended {backup.ended_at:%Y-%m-%d %H:%M} UTC, along timeline {newest}"
    )
    run.estate.console.print(said)
    return backup.label, newest


def is_restored(run: Run) -> bool:
    """Say whether pgBackRest came to its end: it brings the control file last."""
    complete = restored.complete(run.settings.database.path)
    return bool(run.recall("restored")) and run.estate.member(here(run), "backup").ask(complete)


def recover(run: Run) -> None:
    """Start it, reached by nobody, until it has replayed the log up to the point and begun a timeline of its own."""
    database(run).do(founding.start(run.settings.database.path, RECOVERING))
    run.remember("recovering", True)


def recovered(run: Run) -> bool:
    """Say whether it takes writes; note the last commit that it has."""
    if not (run.recall("recovering") and database(run).ask(WRITES)):
        return False
    run.figures["recovered_until"] = database(run).ask(postgres.last_commit())
    return True


def archive(run: Run) -> None:
    """End its segment, so that the timeline's beginning is in the archive before anything is built on it."""
    database(run).do(postgres.switch_wal())
    run.remember("switched", True)


def is_archived(run: Run) -> bool:
    """Say whether nothing waits to be archived."""
    archiver = database(run).ask(postgres.archiver())
    return bool(run.recall("switched") and archiver.last_archived) and not archiver.waiting


def hand_over(run: Run) -> None:
    """Stop it cleanly, without a trace of how it was restored."""
    database(run).do(founding.forget_recovery())
    database(run).do(restored.stop(run.settings.database.path))
    run.remember("handed over", True)


def is_handed_over(run: Run) -> bool:
    """Say whether it stands as Patroni adopts it."""
    return bool(run.recall("handed over")) and database(run).ask(founding.left_clean(run.settings.database.path))


def other(run: Run) -> Site:
    """Return the site that copies the restored one."""
    return next(site for site in run.settings.sites if site != here(run))


def end_vote(run: Run) -> None:
    """Stop this site's etcd, so that the other site's, when it comes, is as alone as this one was."""
    run.estate.place(here(run)).do(founding.stop_container(container(run.settings, here(run), "etcd")))


def hold_other(run: Run) -> None:
    """Keep the other site's Patroni from beginning a cluster of its own in its empty volume."""
    run.estate.member(other(run), "backup").do(founding.hold(run.settings.database.path))
    run.remember("held", True)


def other_is_held(run: Run) -> bool:
    """Say whether it is kept from that."""
    held = founding.is_held(run.settings.database.path)
    return bool(run.recall("held")) and run.estate.member(other(run), "backup").ask(held)


def release_other(run: Run) -> None:
    """Let the other site copy the leader."""
    run.estate.member(other(run), "backup").do(founding.release(run.settings.database.path))


def leads(run: Run) -> bool:
    """Say whether Patroni has the restored database lead, and it takes writes."""
    name = container(run.settings, here(run), "db")
    if "all" not in run.recall("up", []):
        return False
    try:
        return cluster(run.estate).leader.name == name and database(run).ask(WRITES)
    except CommandFailed:
        return False
