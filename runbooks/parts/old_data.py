"""The old database: its last words archived, stopped, set aside at each member, and put back where it was."""

from __future__ import annotations

import contextlib

from infra.settings import Site
from runbooks.adapters import aside, maintenance, pgbackrest, recovery
from runbooks.core.errors import CommandFailed, NotVerified
from runbooks.core.host import Host
from runbooks.core.perform import wait_until_holds
from runbooks.core.run import Run, Step
from runbooks.parts import point
from runbooks.parts.places import origin, path, present
from runbooks.parts.repositories import archived

SEEN_WITHIN = 20.0  # seconds; Patroni looks once in loop_wait


def archive_the_rest(run: Run) -> None:
    """Have a living leader end its segment, behind a commit that is surely later than any time that was asked for."""
    if not point.led(run):
        return
    leader = run.estate.member(run.settings.site(run.recall("led")), "db")
    if not run.planning:
        run.remember("last_segment", leader.ask(recovery.writing()))
    leader.do(recovery.commit_and_switch())


def rest_is_archived(run: Run) -> bool:
    """Say whether the repository that is restored from has the leader's last segment."""
    if not point.led(run):
        return True
    wanted = run.recall("last_segment")
    return bool(wanted) and wanted in map(pgbackrest.segment, archived(run.estate, origin(run)))


def stop_all(run: Run) -> None:
    """Stop PostgreSQL at each member, the leader first, so that the others get its last words."""
    for site in _leader_first(run):
        run.estate.member(site, "db").do(recovery.stop(path(run)))


def all_stopped(run: Run) -> bool:
    """Say whether no member's PostgreSQL runs."""
    return all(run.estate.member(site, "db").ask(recovery.stopped()) for site in present(run))


def start_old(run: Run) -> None:
    """Start the old databases where they are, the leader first, while Patroni still lets them; what fails it mends.

    It must have seen that they run before it governs again: what it then takes for stopped stays so in its books.
    """
    for site in _leader_first(run):
        host = run.estate.member(site, "db")
        with contextlib.suppress(CommandFailed, NotVerified):
            host.do(recovery.start_as_it_was(path(run)))
            wait_until_holds(_seen_running(host), run)


def _seen_running(host: Host) -> Step:
    return Step(
        "Patroni sees that it runs", lambda _: None, lambda _: host.ask(maintenance.view()).runs, within=SEEN_WITHIN
    )


def set_aside(run: Run) -> None:
    """Keep each member's old data under another name: whoever finds none can win no race for the leadership."""
    for site in present(run):
        run.estate.member(site, "backup").do(aside.set_aside(path(run), run.id))


def is_aside(run: Run) -> bool:
    """Say whether each member's old data is kept; note how large it is."""
    sizes = {site.name: _size(run, site) for site in present(run)}
    if any(size is None for size in sizes.values()):
        return False
    run.figures["kept_bytes"] = sizes
    return True


def put_back(run: Run) -> None:
    """Put each member's old data back in its place."""
    for site in present(run):
        run.estate.member(site, "backup").do(aside.put_back(path(run), run.id))


def _size(run: Run, site: Site) -> int | None:
    found = run.estate.member(site, "backup").ask(aside.kept(path(run)))
    return next((each.size for each in found if each.run == run.id), None)


def _leader_first(run: Run) -> list[Site]:
    return sorted(present(run), key=lambda site: site.name != run.recall("led"))
