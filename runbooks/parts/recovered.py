"""The serving data restored in place: a backup brought back, recovered to its point, promoted, handed over."""

from __future__ import annotations

from infra.settings import container
from runbooks.adapters import aside, credit, maintenance, pgbackrest, postgres, recovery, timelines
from runbooks.core.command import Command
from runbooks.core.errors import NotVerified
from runbooks.core.host import Host
from runbooks.core.leader import WRITES
from runbooks.core.run import Run
from runbooks.parts import point
from runbooks.parts.places import here, kept, origin, path, repositories
from runbooks.parts.repositories import archived, chosen, cluster
from runbooks.parts.throwaway import RECOVERING, RESTORING


def serving(run: Run) -> Host:
    """Return the member whose data is restored."""
    return run.estate.member(here(run), "db")


def restore(run: Run) -> None:
    """Bring the backup back in the place of the old data, once it is known where recovery is to stop."""
    point.settle(run)
    told = point.wanted(run)
    command = recovery.restore(
        run.settings.cluster,
        run.settings.repository(origin(run)),
        run.recall("label"),
        told.options,
        point.line(run).number,
        path(run),
        RESTORING,
    )
    host = run.estate.member(here(run), "backup")
    host.do(recovery.end_restore())
    host.do(aside.clear(path(run), run.id))
    host.do(command)
    run.remember("brought_back", True)


def is_restored(run: Run) -> bool:
    """Say whether all of the backup was brought back."""
    return bool(run.recall("brought_back"))


def discard(run: Run) -> None:
    """End what still restores; what was brought back goes when the old data is put back in its place."""
    run.estate.member(here(run), "backup").do(recovery.end_restore())
    run.remember("brought_back", False)


def recover(run: Run) -> None:
    """Start it, reached by nobody, and let it replay the log until it is held at the point.

    PostgreSQL writes into the new timeline's history that it went on from the one that was asked for, also where the
    point lies on an older one; a member that comes back would take itself for its past. So it is asked for that one.
    """
    line, told = point.line(run), point.wanted(run)
    number = line.at(told.value) if told.kind == "lsn" else line.number
    serving(run).do(_start(run, number))
    if run.planning:
        return
    reached = line.at(serving(run).ask(recovery.point()).lsn)
    if reached != number:
        serving(run).do(recovery.stop(path(run)))
        serving(run).do(_start(run, reached))


def _start(run: Run, timeline: int) -> Command[str]:
    return recovery.start(run.settings.cluster, repositories(run), kept(run), timeline, path(run), RECOVERING)


def stop_again(run: Run) -> None:
    """Stop what runs from the restored data."""
    serving(run).do(recovery.stop(path(run)))
    serving(run).do(recovery.forget_fetch(path(run)))


def is_held(run: Run) -> bool:
    """Say whether it is held at its point; note where that is."""
    found = serving(run).ask(recovery.point())
    if not found.held:
        return False
    run.figures["recovered_until"] = found.at.isoformat() if found.at else None
    run.figures["recovered_lsn"] = found.lsn
    return True


def look(run: Run) -> None:
    """Say up to when it goes, and check its books, while there is still a way back."""
    if run.planning:
        return
    point.say(run, f"recovered up to {run.figures['recovered_lsn']}, its last commit {run.figures['recovered_until']}")
    if run.settings.api_image:
        return  # a database of one's own has no such books
    if problems := serving(run).ask(credit.problems(run.settings.cluster)):
        raise NotVerified("\n".join(("what is recovered does not add up", *problems)))


def promote(run: Run) -> None:
    """End the recovery: a timeline of its own begins, and it takes writes from nobody yet."""
    serving(run).do(recovery.promote())


def takes_writes(run: Run) -> bool:
    """Say whether it takes writes, on a timeline that no repository knew; note which."""
    if not serving(run).ask(WRITES):
        return False
    number = serving(run).ask(recovery.timeline())
    if number <= run.recall("newest_timeline"):
        raise NotVerified(
            f"the restored database is on timeline {number}, and timeline {run.recall('newest_timeline')} was there "
            "already: nobody is let in, as it would write over what is archived of that one"
        )
    run.remember("new_timeline", number)
    run.figures["timeline"] = number
    return True


def hand_over(run: Run) -> None:
    """Let Patroni start it anew as the leader that it is, with its own settings: from then on it can be reached."""
    serving(run).do(postgres.checkpoint())
    serving(run).do(maintenance.restart())
    serving(run).do(recovery.forget_fetch(path(run)))


def is_handed_over(run: Run) -> bool:
    """Say whether Patroni has it as the leader, reachable, with nothing that waits for another restart."""
    if not serving(run).ask(recovery.listening()) or serving(run).ask(maintenance.view()).wants_restart:
        return False
    return cluster(run.estate).leader.name == container(run.settings, here(run), "db")


def archive_the_new(run: Run) -> None:
    """End the first segment of the new timeline, so that its history and it are archived now.

    NotVerified where the site's store did not answer before: its archive catches up when it does.
    """
    if here(run) not in chosen(run):
        raise NotVerified(f"{here(run).name}: its store does not answer; what waits is archived when it does")
    serving(run).do(recovery.commit_and_switch())


def new_is_archived(run: Run) -> bool:
    """Say whether the site's own repository has the new timeline's history and its first segment."""
    if here(run) not in chosen(run):
        return False
    number = run.recall("new_timeline")
    keys = archived(run.estate, here(run))
    segments = [key for key in keys if pgbackrest.segment(key) and pgbackrest.timeline(key) == number]
    found = bool(segments) and number in map(timelines.archived, keys)
    run.remember("archived_new", found)
    return found
