"""The other site's member made a standby of the restored leader: from its repository where that leads there."""

from __future__ import annotations

from infra.settings import Site, container
from runbooks.adapters import aside, docker, handed, patroni, pgbackrest, recovery, returning, timelines
from runbooks.adapters.timelines import FIRST, Timeline
from runbooks.core.errors import CommandFailed, NotReady
from runbooks.core.run import Run
from runbooks.parts import point, target
from runbooks.parts.places import here, others, path
from runbooks.parts.repositories import archived, chosen, cluster, inventory, segments
from runbooks.parts.throwaway import RESTORING

REBUILT = 3600.0  # seconds until a standby that was started streams


def hold_off(run: Run) -> None:
    """Stop the other member, whose Patroni would copy the leader as soon as it governs again."""
    for site in others(run):
        run.estate.place(site).do(docker.stop(container(run.settings, site, "db")))


def is_held_off(run: Run) -> bool:
    """Say whether the other member is stopped."""
    names = {site: container(run.settings, site, "db") for site in others(run)}
    seen = [run.estate.place(site).ask(docker.state(name)).get(name) for site, name in names.items()]
    return not any(each and each.running for each in seen)


def rebuild(run: Run) -> None:
    """Restore the other member from its own repository, else let Patroni copy the leader, and start it.

    One that a dead runner had started is left to itself: it comes to be in sync, or is not as it should be.
    """
    if run.recall("standby_started"):
        return
    if run.resumed:
        hold_off(run)  # whoever started it meanwhile gave Patroni a folder that is half restored
    for site in others(run):
        host = run.estate.member(site, "backup")
        host.do(recovery.end_restore())
        host.do(aside.clear(path(run), run.id))
        try:
            _from_repository(run, site)
        except (CommandFailed, NotReady) as failure:
            point.say(
                run,
                f"{site.name}: left to Patroni, which copies the leader where it must: {failure}",
            )
            run.figures["standby_from"] = "leader"
            host.do(aside.clear(path(run), run.id))
        run.estate.place(site).do(docker.start(container(run.settings, site, "db")))
    run.remember("standby_started", True)


def _from_repository(run: Run, site: Site) -> None:
    """Restore from a backup that the new timeline goes on from. NotReady: there is none, or the timeline is not there.

    A standby finds its way by the archive: one that lacked the new timeline would replay what was left behind.
    """
    settings = run.settings
    if site not in chosen(run) or (not run.recall("archived_new") and not run.planning):
        raise NotReady("its store does not answer, or the new timeline is in no archive yet")
    held = inventory(run.estate, [site]).of(settings.repository(site))
    label = run.recall("label") if run.planning else target.pick(held, target.Target(), _new_line(run)).label
    host = run.estate.member(site, "backup")
    host.do(recovery.restore_standby(settings.cluster, settings.repository(site), label, path(run), RESTORING))
    host.do(recovery.settle_standby(path(run)))
    run.figures["standby_from"] = site.name


def _new_line(run: Run) -> Timeline:
    """Return the new timeline: what it was restored along, left at the point, and itself."""
    return point.line(run).left_at(run.figures["recovered_lsn"], run.recall("new_timeline", FIRST))


def is_in_sync(run: Run) -> bool:
    """Say whether the other member streams, and holds every commit that is acknowledged."""
    if not others(run):
        run.degraded(f"{here(run).name} stands alone: the other site's database could not be handled")
        return True
    seen: patroni.Cluster = cluster(run.estate)
    names = {container(run.settings, site, "db") for site in others(run)}
    run.figures["in_sync"] = seen.in_sync
    return seen.in_sync and names <= {member.name for member in seen.standbys}


def archive_beginning(run: Run) -> None:
    """Have the other member archive how the new timeline begins: each repository must restore on its own."""
    number = run.recall("new_timeline", FIRST)
    for site in others(run):
        run.estate.member(site, "db").do(recovery.archive_history(path(run), number))
        if run.figures.get("standby_from") == "leader" and not run.planning:
            way = run.estate.place(site).ask(returning.told(container(run.settings, site, "db"))).way
            run.figures["standby_from"] = way or "leader"
            if way == "leader":
                _hand_over(run, site, number)


def _hand_over(run: Run, site: Site, number: int) -> None:
    """Hand to the copy what the leader wrote before it was copied; what came with the copy counts as archived."""
    leader, copy = (run.estate.member(each, "db") for each in (here(run), site))
    held, copied = leader.ask(handed.segments(path(run), number)), copy.ask(handed.segments(path(run), number))
    there, written = segments(run.estate, site) if site in chosen(run) else [], leader.ask(recovery.writing())
    wanted = sorted(name for name in {*held, *copied} - {*there} if name < written)
    for name in wanted:
        if name in copied:
            copy.do(handed.mark(path(run), name))
        else:
            copy.do(handed.take(path(run), name), feed=(leader.ask(handed.read(path(run), name)),))
    run.remember("handed", wanted)


def beginning_is_archived(run: Run) -> bool:
    """Say whether the other site's repository has how the new timeline begins, if its store answered."""
    number, wanted = run.recall("new_timeline"), set(run.recall("handed", []))
    sites = [site for site in others(run) if site in chosen(run)]
    kept = [archived(run.estate, site) for site in sites]
    return all(
        number in map(timelines.archived, names) and wanted <= set(map(pgbackrest.segment, names)) for names in kept
    )
