"""What must hold before a restore begins: a point that makes sense, a backup that leads there, a log, and room."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

from runbooks.adapters import docker, maintenance, recovery, wal
from runbooks.adapters.postgres import SEGMENT_BYTES, position
from runbooks.core.errors import NotReady
from runbooks.core.run import Run
from runbooks.parts import lines, target
from runbooks.parts.places import here, origin, present
from runbooks.parts.point import asked, led, line, log, number_of, reader, say, segments, wanted
from runbooks.parts.repositories import archive, archived, chosen, inventory
from runbooks.parts.target import Target

LOOKED_BACK = 32  # segments in which the newest commit is looked for; a backup alone closes several
SEARCHED = 256  # segments in which a transaction is looked for
MORE = 1.2  # times the database's size: what is restored, and the log that is replayed
ANYWAY = "anyway"  # the argument of a run that restores the newest point although a member has it


def it_is_needed(run: Run) -> None:
    """The newest point of a repository is older than what a healthy member has, which Patroni makes the leader."""
    if asked(run).kind != "newest" or run.arguments.get(ANYWAY):
        return
    healthy = [site.name for site in present(run) if run.estate.member(site, "db").ask(maintenance.view()).runs]
    if healthy:
        raise NotReady(
            f"the database of {' and '.join(healthy)} runs, and has all that a repository has and more: the newest "
            "point gains nothing. A leader that is lost is replaced by Patroni itself, from in sync without a loss "
            "(./inv status). To undo a mistake, name a point: --at, --xid or --lsn, as ./inv restore.find tells them. "
            "If what runs is damaged all the same, say --anyway"
        )


def the_timeline_is_known(run: Run) -> None:
    """Restore along what is served now or, without a leader, along the newest that a repository knows."""
    sites = sorted(chosen(run), key=lambda site: site != origin(run))
    newest = max(lines.newest(archived(run.estate, site)) for site in sites)
    number = int(run.arguments.get("timeline") or 0) or _served(run) or newest
    run.remember("newest_timeline", max(newest, _served(run), number))
    run.remember("timeline", asdict(lines.timeline(run.settings, reader(run), number, sites)))


def _writing(run: Run) -> str:
    """Return the segment that the leader writes."""
    return run.estate.member(run.settings.site(run.recall("led")), "db").ask(recovery.writing())


def _served(run: Run) -> int:
    if not led(run):
        return 0
    return run.estate.member(run.settings.site(run.recall("led")), "db").ask(recovery.timeline())


def the_target_is_found(run: Run) -> None:
    """A transaction is looked up: when it was committed, by a living leader; else where, in the archive."""
    told = asked(run)
    run.remember("target", asdict(told))
    run.remember("near", asdict(told))
    if told.kind != "xid":
        return
    if led(run):
        leader = run.estate.member(run.settings.site(run.recall("led")), "db")
        if at := leader.ask(recovery.committed_at(int(told.value))):
            run.remember("near", asdict(Target(kind="time", value=at)))
            return
    newest_first = segments(run)[: -SEARCHED - 1 : -1]
    question = wal.commit_of(archive(run.settings, origin(run)), int(told.value), newest_first)
    if not (found := reader(run).ask(question)):
        raise NotReady(
            f"{origin(run).name}: transaction {told.value} was committed in none of the last {len(newest_first)} "
            "segments of its archive: ./inv restore.find shows what was, and --lsn takes what it prints"
        )
    run.remember("target", asdict(Target(kind="lsn", value=found.lsn)))
    run.remember("near", run.recall("target"))


def a_backup_leads_there(run: Run) -> None:
    """The newest that is whole before the target, or the one that is named; and the log behind it has no gap."""
    site, label = origin(run), run.arguments.get("backup", "")
    held = inventory(run.estate, [site]).of(run.settings.repository(site))
    try:
        backup = target.pick(held, Target(**run.recall("near")), line(run), label)
    except NotReady as refusal:
        raise NotReady(f"{site.name}: {refusal}") from refusal
    run.remember("label", backup.label)
    run.remember("database_bytes", backup.database_bytes)
    run.remember("first", backup.wal_start)
    log(run)
    ended = f"{backup.ended_at:%Y-%m-%d %H:%M:%S} UTC"
    say(
        run,
        f"{here(run).name}: backup {backup.label} from {site.name}, which ended {ended}, then its log up to "
        f"{wanted(run)}",
    )


def the_log_reaches_it(run: Run) -> None:
    """The log must go on beyond the target: a living leader's, else what is archived of it."""
    names = log(run)
    newest = wal.newest_commit(archive(run.settings, origin(run)), names[: -LOOKED_BACK - 1 : -1])
    last = reader(run).ask(newest)
    told = wanted(run)
    run.figures["archived_until"] = last.isoformat() if last else None
    say(
        run,
        f"{origin(run).name}: its archive's newest commit is of "
        f"{f'{last:%Y-%m-%d %H:%M:%S.%f} UTC' if last else 'before the last segments'}",
    )
    if told.kind == "time":
        late = told.at > datetime.now(UTC) if led(run) else last is None or told.at >= last
    else:
        end = _writing(run) if led(run) else names[-1]
        late = told.kind == "lsn" and position(told.value) // SEGMENT_BYTES > number_of(end)
    if late:
        raise NotReady(
            f"{origin(run).name}: the log does not reach {told}. Leave the point out, and the newest that can be "
            "had is restored"
        )


def there_is_room(run: Run) -> None:
    """What is restored lies beside the old data, which is kept, at each member."""
    need = int(run.recall("database_bytes") * MORE) + run.settings.backup.free_bytes
    for site in present(run):
        host = run.estate.member(site, "backup")
        space = host.ask(docker.free(docker.DATA))
        if space.free < need:
            raise NotReady(
                f"{host.name}: {space.free / 2**20:.0f} MiB free, and {need / 2**20:.0f} are needed beside the old "
                "data, with the room that separuh:backup.free_bytes keeps. Enlarge the disk, or remove what an earlier "
                "restore has kept: ./inv restore.release"
            )
