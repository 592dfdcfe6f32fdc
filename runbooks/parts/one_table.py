"""One table out of a backup into the running database, under another name; nothing else of it is touched."""

from __future__ import annotations

from infra.settings import container
from runbooks.adapters import docker, recovery, restored, table
from runbooks.core.errors import NotReady, NotVerified
from runbooks.core.host import Host
from runbooks.core.leader import WRITES, leader
from runbooks.core.run import Run, Runbook, Step
from runbooks.parts import old_data, order, point, throwaway
from runbooks.parts.places import a_site_is_chosen, here, origin, the_members_are_seen, the_store_answers
from runbooks.parts.throwaway import RECOVERING, RESTORING, copy

CARRYING = 12 * 3600.0  # seconds


def new_name(run: Run) -> str:
    """Return the name, with its schema, under which the table is brought in."""
    told = point.asked(run)
    mark = table.of_time(told.at) if told.kind == "time" else f"{told.kind}_{told.value.lower().replace('/', '_')}"
    return table.copied_as(run.arguments["table"], mark.rstrip("_"))


def old_name(run: Run) -> str:
    """Return the table's name with its schema."""
    return ".".join(table.named(run.arguments["table"]))


def running(run: Run) -> Host:
    """Return the database that takes writes."""
    return leader(run.estate)


# -- prechecks


def a_leader_takes_it(run: Run) -> None:
    """It goes into a database that runs, beside which the copy is made; its new name must be free."""
    if not point.led(run):
        raise NotReady("no database takes writes now, so there is none to bring a table into: ./inv status")
    if run.recall("site") != run.recall("led"):
        raise NotReady(f"a table is brought in at the leader's site, {run.recall('led')}: leave --site out")
    if running(run).ask(table.exists(run.settings.cluster, new_name(run))):
        raise NotReady(f"there is a table {new_name(run)} already: drop or rename it first")


def there_is_room(run: Run) -> None:
    """The copy lies on the disk of the site's own database for a while, and the table stays."""
    host = run.estate.member(here(run), "backup")
    space, need = host.ask(docker.free(docker.DATA)), int(run.recall("database_bytes") * 2)
    need += run.settings.backup.free_bytes
    if space.free < need:
        raise NotReady(
            f"{host.name}: {space.free / 2**20:.0f} MiB free, and a copy with the table may need {need / 2**20:.0f}, "
            "with the room that separuh:backup.free_bytes keeps: enlarge the disk"
        )


# -- steps


def restore(run: Run) -> None:
    """Bring the backup into the copy."""
    point.settle(run)
    if run.resumed:
        throwaway.make(run)  # anew: a dead runner's pgBackRest may still write into it
    command = recovery.restore_copy(
        run.settings.cluster,
        run.settings.repository(origin(run)),
        run.recall("label"),
        point.wanted(run).options,
        point.line(run).number,
        run.settings.database.path,
        RESTORING,
    )
    copy(run).do(command)


def is_restored(run: Run) -> bool:
    """Say whether all of the backup was brought there."""
    return copy(run).ask(restored.complete(run.settings.database.path))


def start(run: Run) -> None:
    """Start the copy, up to the point."""
    copy(run).do(restored.start(run.settings.database.path, RECOVERING))


def answers(run: Run) -> bool:
    """Say whether the copy has come to its point."""
    return copy(run).ask(WRITES)


def bring_in(run: Run) -> None:
    """Give the table its new name in the copy, and stream it from there into the running database."""
    settings, new = run.settings, new_name(run)
    copy(run).do(table.rename(settings.cluster, old_name(run), new, CARRYING))
    here_too = container(settings, here(run), "db")
    command = table.carry_over(throwaway.name(run), here_too, new, settings.cluster, CARRYING)
    run.estate.place(here(run)).do(command)


def is_in(run: Run) -> bool:
    """Say whether the running database has each of its rows."""
    database, new = run.settings.cluster, new_name(run)
    if not running(run).ask(table.exists(database, new)):
        return False
    wanted, found = (host.ask(table.rows(database, new, CARRYING)) for host in (copy(run), running(run)))
    if wanted != found:
        raise NotVerified(f"{new} has {found} rows in the running database, and {wanted} in the copy")
    run.figures["rows"] = found
    point.say(run, f"{new}: {found} rows, as they were at {point.asked(run)}; it has no keys, and belongs to postgres")
    return True


def take_out(run: Run) -> None:
    """Remove what was brought in."""
    running(run).do(table.drop(run.settings.cluster, new_name(run)))


ONE_TABLE = Runbook(
    name="restore.table",
    title="bring one table of a backup into the running database under another name",
    prechecks=(
        the_members_are_seen,
        a_site_is_chosen,
        a_leader_takes_it,
        the_store_answers,
        order.the_timeline_is_known,
        order.the_target_is_found,
        order.a_backup_leads_there,
        order.the_log_reaches_it,
        there_is_room,
    ),
    steps=(
        Step("Archive the leader's last words", old_data.archive_the_rest, old_data.rest_is_archived, within=120),
        Step("Make a throwaway container and volume", throwaway.make, throwaway.made, throwaway.remove, stage="plan"),
        Step("Restore the backup into it", restore, is_restored),
        Step("Start it, up to the point", start, answers),
        Step("Bring the table in under its new name", bring_in, is_in, take_out),
        Step("Throw the copy away", throwaway.remove, throwaway.removed),
    ),
)
