"""The proof that a copy holds what its source held, down to its indexes and pages, and that it kept to itself."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from runbooks.adapters import content, credit, integrity, pgbackrest, postgres, restored
from runbooks.core.errors import NotVerified
from runbooks.core.evidence import Check
from runbooks.core.run import Run
from runbooks.parts.comparison import Difference, compare
from runbooks.parts.findings import keep, made, record, short, usable
from runbooks.parts.fingerprint import Fingerprint, take
from runbooks.parts.repositories import archived, chosen, cluster
from runbooks.parts.throwaway import copy, source

# Which check each part of a fingerprint belongs to.
PARTS = {
    "table": "fingerprint",
    "schema": "schema",
    "databases": "schema",
    "tablespaces": "schema",
    "sequences": "sequences",
    "roles": "roles",
    "extensions": "extensions",
    "settings": "settings",
}
# How it was restored, that it stands alone, and what a member has of its own beside its peer's.
OWN_SETTINGS = (
    *("archive_mode", "archive_command", "listen_addresses", "shared_buffers", "restore_command"),
    *("synchronous_standby_names", "primary_slot_name"),
)
TARGET_SETTINGS = "recovery_target"  # what their names begin with


def prove_content(run: Run) -> None:
    """Compare the copy with its source while pg_amcheck reads it beside; then its foreign keys and books."""
    within = run.settings.drill.check_seconds
    if run.planning:
        copy(run).do(restored.amcheck(within))
        return
    if usable(run):
        with ThreadPoolExecutor(1) as pool:
            beside = pool.submit(made, "amcheck", lambda: copy(run).do(restored.amcheck(within)))
            _compare(run, within)
            keep(run, beside.result())
        record(run, "target", lambda: _point_reached(run))
        record(run, "foreign_keys", lambda: _foreign_keys(run, within))
        record(run, "books", lambda: _books(run))
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


def _compare(run: Run, within: float) -> None:
    """Compare the fingerprints, and keep a check for each of their parts."""
    known = source(run)
    found: list[Fingerprint] = []
    record(run, "fingerprint", lambda: found.append(take(copy(run), within, known.fingerprint)))
    if not found:
        return  # nothing was compared: the other parts were not checked
    differences = compare(known.fingerprint, found[0], tuple(_expected(known.fingerprint, found[0])))
    seconds = next(check["seconds"] for check in run.recall("checks") if check["name"] == "fingerprint")
    for name in dict.fromkeys(PARTS.values()):
        said = short("\n".join(map(str, _of(differences, name))))
        told = f"{len(found[0].tables)} tables, {found[0].rows} rows" if name == "fingerprint" else ""
        outcome: Check = Check(name=name, outcome="failed" if said else "passed", found=said or told, seconds=seconds)
        keep(run, outcome)


def _of(differences: Iterable[Difference], check: str) -> list[Difference]:
    return [each for each in differences if PARTS[each.subject.split(" ", 1)[0]] == check]


def _expected(known: Fingerprint, found: Fingerprint) -> Iterable[str]:
    """Yield what is meant to differ: how the copy was restored and runs, and the extension that pg_amcheck brings."""
    for name in {*known.parts.get("settings", {}), *found.parts.get("settings", {})}:
        if name in OWN_SETTINGS or name.startswith(TARGET_SETTINGS):
            yield f"settings {name}"
    yield from (f"extensions {name}" for name in found.parts.get("extensions", {}) if name.endswith(": amcheck"))


def _point_reached(run: Run) -> str:
    """See that recovery stopped at the first record behind the point: there, or behind the header of its page."""
    stopped, wanted = copy(run).ask(restored.stopped_at()), source(run).point.lsn
    if not stopped or not 0 <= postgres.distance(wanted, stopped) <= postgres.PAGE_HEADER_BYTES:
        raise NotVerified(f"recovery did not stop before {wanted}, but {f'before {stopped}' if stopped else 'nowhere'}")
    return wanted


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
        added = set(archived(run.estate, site)) - set(run.recall("archived")[site.name])
        if foreign := sorted(key for key in added if pgbackrest.timeline(key) > timeline):
            raise NotVerified(f"{site.name}: archived by nobody of the serving cluster: {', '.join(foreign)}")
        new += len(added)
    return f"nothing archived by the copy; {new} objects archived by the serving cluster meanwhile"


def _pages(run: Run) -> str:
    path = run.settings.database.path
    copy(run).do(restored.stop(path))
    return f"{copy(run).ask(restored.checksums(path, run.settings.drill.check_seconds))} pages"
