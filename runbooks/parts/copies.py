"""What is in the repositories, for a reader: the list, and the audit of every file."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial
from typing import Any

from rich.console import Console
from rich.table import Table

from infra.settings import Site
from runbooks.adapters import pgbackrest, postgres
from runbooks.adapters.pgbackrest import Audit, Backup
from runbooks.core.errors import Exit, SeparuhError
from runbooks.core.gather import Silence, gather
from runbooks.core.hint import Screen
from runbooks.core.host import Estate
from runbooks.core.session import open_stack
from runbooks.parts.repositories import inventory, segments, workplace

LONGEST = 12 * 3600.0  # seconds that reading a whole repository may take


def list_backups(stack: str, as_json: bool = False) -> Exit:
    """Print every backup in both repositories; DEGRADED where one cannot be read."""
    settings, secrets = open_stack(stack)
    with Estate(settings, secrets) as estate:
        held, faults = _held(estate)
    if as_json:
        rows = [_row(site, backup) for site, backup in held]
        print(json.dumps({"stack": settings.stack, "backups": rows, "unreadable": faults}, indent=2))
    else:
        _show(Screen(settings.stack), held, faults)
    return Exit.DEGRADED if faults else Exit.DONE


def verify_backups(stack: str) -> Exit:
    """Read and check every file of both repositories at once, and look for segments that are not there.

    DEGRADED, with each fault by name, where anything is wrong. pgBackRest's own check does not see a missing segment.
    """
    settings, secrets = open_stack(stack)
    console, sound = Screen(settings.stack), True
    with Estate(settings, secrets) as estate:
        found = gather({site: partial(audited, estate, site) for site in settings.sites}, LONGEST)
    for site, answer in found.items():
        if isinstance(answer, Silence):
            console.print(f"{site.name}: cannot be verified: {answer.why}")
            sound = False
        else:
            sound = _show_audit(console, site, *answer) and sound
    if not sound:
        console.print(
            "not sound: make a new full backup there (./inv backup --kind full), then find out what removed it"
        )
    return Exit.DONE if sound else Exit.DEGRADED


def audited(estate: Estate, site: Site) -> tuple[Audit, list[str]]:
    """Return pgBackRest's audit of `site`'s repository, and the segments that are missing between those it has."""
    settings = estate.settings
    question = pgbackrest.verify(settings.cluster, settings.repository(site), LONGEST)
    return workplace(estate).ask(question), postgres.missing(segments(estate, site))


def _show_audit(console: Console, site: Site, audit: Audit, gaps: list[str]) -> bool:
    """Print what was found in one repository, and say whether it is sound."""
    faults = [*audit.faults, *(f"segment {name} is missing" for name in gaps)]
    console.print(
        f"{site.name}: {len(audit.backups)} backups, {audit.wal_valid} of {audit.wal_checked} segments valid, "
        + ("no gap" if not gaps else f"{len(gaps)} missing"),
    )
    for fault in faults:
        console.print(f"    {fault}")
    return not faults


def _held(estate: Estate) -> tuple[list[tuple[Site, Backup]], dict[str, str]]:
    held: list[tuple[Site, Backup]] = []
    faults: dict[str, str] = {}
    for site in estate.settings.sites:
        try:
            found = inventory(estate, [site])
        except SeparuhError as error:
            faults[site.name] = str(error)
            continue
        if found.faults:
            faults[site.name] = "; ".join(text.splitlines()[0] for text in found.faults.values())
        held += [(site, backup) for backup in found.of(estate.settings.repository(site))]
    return held, faults


def _row(site: Site, backup: Backup) -> dict[str, Any]:
    return {
        "site": site.name,
        "label": backup.label,
        "kind": backup.kind,
        "started_at": backup.started_at.isoformat(),
        "ended_at": backup.ended_at.isoformat(),
        "seconds": backup.seconds,
        "database_bytes": backup.database_bytes,
        "repository_bytes": backup.repository_bytes,
        "wal_start": backup.wal_start,
        "wal_stop": backup.wal_stop,
        "damaged": backup.damaged,
        "run": backup.run,
    }


def _show(console: Console, held: list[tuple[Site, Backup]], faults: dict[str, str]) -> None:
    table = Table("site", "kind", "ended (UTC)", "age", "seconds", "database", "added", "label")
    now = datetime.now(UTC)
    for site, backup in held:
        table.add_row(
            site.name,
            backup.kind,
            f"{backup.ended_at:%m-%d %H:%M}",
            f"{(now - backup.ended_at).total_seconds() / 3600:.1f} h",
            f"{backup.seconds:.0f}",
            f"{backup.database_bytes / 2**20:.1f} MiB",
            f"{backup.repository_bytes / 2**20:.1f} MiB",
            backup.label,
        )
    if not console.is_terminal:
        console.width = 200
    console.print(table if held else "no backup yet: ./inv backup makes one")
    for name, fault in faults.items():
        console.print(f"{name}: cannot be read: {fault}")
