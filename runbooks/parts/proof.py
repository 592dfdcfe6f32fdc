"""The proof that a copy holds what its source held, down to its indexes and pages, and that it kept to itself."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import datetime

from runbooks.adapters import content, credit, integrity, pgbackrest, postgres, restored
from runbooks.core.errors import CommandFailed, NotVerified
from runbooks.core.run import Run
from runbooks.parts import apart, equality
from runbooks.parts.findings import keep, made, record, usable
from runbooks.parts.repositories import archived, chosen, cluster
from runbooks.parts.throwaway import copy, origin


def prove_content(run: Run) -> None:
    """Compare the copy with its source while pg_amcheck reads it beside, and foreign keys and books are looked at."""
    within = run.settings.drill.check_seconds
    if run.planning:
        copy(run).do(restored.amcheck(within))
        return
    if usable(run):
        looks: dict[str, Callable[[], str | None]] = {
            "amcheck": lambda: copy(run).do(restored.amcheck(within)),
            "foreign_keys": lambda: _foreign_keys(run, within),
            "books": lambda: _books(run),
        }
        with ThreadPoolExecutor(len(looks)) as pool:  # one after the other would leave cores idle behind each
            beside = [pool.submit(made, name, look) for name, look in looks.items()]
            equality.compare_with_source(run, within)
            for each in beside:
                keep(run, each.result())
        record(run, "target", lambda: _point_reached(run))
    run.remember("proved_content", True)


def prove_isolation(run: Run) -> None:
    """Look whether the copy kept to itself, and note with which tools it was made and looked at."""
    if usable(run) and not run.planning:
        record(run, "isolation", lambda: _isolation(run))
        run.remember("tools", copy(run).ask(restored.versions()))
    run.remember("proved_isolation", True)


def prove_pages(run: Run) -> None:
    """Stop the copy and read every page."""
    if run.planning:
        copy(run).do(restored.stop(run.settings.database.path))
    elif usable(run):
        record(run, "page_checksums", lambda: _pages(run))
    run.remember("proved_pages", True)


def _point_reached(run: Run) -> str:
    """See that recovery stopped at the first record behind the point, and note where that was."""
    end, wanted = copy(run).ask(restored.ended()), apart.wanted(run)
    run.remember("end", asdict(end))
    if wanted.kind == "time":
        # The record that it stopped at is of a later commit, and the newest that it replayed of none.
        if not end.before_time or _at(end.before_time) <= wanted.at or (end.newest and _at(end.newest) > wanted.at):
            where = f"before a commit at {end.before_time}" if end.before_time else "nowhere"
            raise NotVerified(f"recovery did not stop behind {wanted.value}, but {where}")
        return f"{wanted}; stopped before a commit at {end.before_time}"
    # A point that was taken is where a record ends: the next begins there, or behind the header of its page. One that
    # somebody names may be anywhere.
    behind = postgres.distance(wanted.value, end.before_lsn) if end.before_lsn else -1
    most = postgres.PAGE_HEADER_BYTES if apart.asked(run).kind == "newest" else behind
    if not 0 <= behind <= most:
        where = f"before {end.before_lsn}" if end.before_lsn else "nowhere"
        raise NotVerified(f"recovery did not stop before {wanted.value}, but {where}")
    return wanted.value


def _at(told: str) -> datetime:
    """Return a time of the server's log."""
    return datetime.fromisoformat(told)


def _foreign_keys(run: Run, within: float) -> str:
    databases = copy(run).ask(content.databases())
    counts = {
        f"{database}: {name}": count
        for database in databases
        for name, count in copy(run).ask(integrity.orphans(database, within)).items()
    }
    if broken := [f"{name}: {count} rows refer to nothing" for name, count in counts.items() if count]:
        raise NotVerified("\n".join(broken))
    return f"{len(counts)} foreign keys"


def _books(run: Run) -> None:
    if problems := copy(run).ask(credit.problems(run.settings.cluster)):
        raise NotVerified("\n".join(problems))


def _isolation(run: Run) -> str:
    """See that the copy tried to archive nothing, and that what is new in the archives is of the leader's timeline."""
    mode, tried = copy(run).ask(restored.archiving())
    if mode != "off" or tried:
        raise NotVerified(f"archive_mode is {mode} in the copy, and it has tried to archive {tried} segments")
    timeline = cluster(run.estate).leader.timeline
    new = 0
    for site in chosen(run):
        try:
            added = set(archived(run.estate, site)) - set(run.recall("archived")[site.name])
        except CommandFailed as failure:
            if site == origin(run):
                raise
            run.degraded(f"{site.name}: whether the drill wrote there was not seen: {failure}")
            continue
        if foreign := sorted(key for key in added if pgbackrest.timeline(key) > timeline):
            raise NotVerified(f"{site.name}: archived by nobody of the serving cluster: {', '.join(foreign)}")
        new += len(added)
    return f"nothing archived by the copy; {new} objects archived by the serving cluster meanwhile"


def _pages(run: Run) -> str:
    path = run.settings.database.path
    copy(run).do(restored.stop(path))
    return f"{copy(run).ask(restored.checksums(path, run.settings.drill.check_seconds))} pages"
