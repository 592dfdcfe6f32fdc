"""What must hold before a backup begins: a leader, room for it, a store that takes it; and the kinds that are due."""

from __future__ import annotations

from datetime import UTC, datetime

from infra.settings import Site
from runbooks.adapters import docker, postgres
from runbooks.core.errors import CommandFailed, NotReady
from runbooks.core.host import Host
from runbooks.core.run import Run
from runbooks.parts import lock, room
from runbooks.parts.repositories import at_once, chosen, cluster, due, inventory


def a_leader_is_known(run: Run) -> None:
    """A backup begins and ends with the leader, wherever it is read from."""
    seen = cluster(run.estate)
    run.remember("leader", seen.leader.name)
    run.figures["in_sync"] = seen.in_sync
    if not seen.in_sync:
        run.degraded("no standby is in sync: the loss of a site now would lose payments. ./inv status")


def there_is_space(run: Run) -> None:
    """Archiving that stalls during the backup keeps segments in pg_wal, beside the data."""

    def look(site: Site) -> None:
        has_room(run, run.estate.member(site, "db"))

    for failure in at_once(run, look, run.settings.sites).values():
        if failure and not isinstance(failure, CommandFailed):  # one that does not answer is left out below
            raise failure


def has_room(run: Run, host: Host) -> None:
    """Raise NotReady where the disk of a database is nearly full."""
    need, space = run.settings.backup.free_bytes, host.ask(docker.free(docker.DATA))
    if space.free < need:
        raise NotReady(
            f"{host.name}: {space.free / 2**20:.0f} MiB free of {space.size / 2**20:.0f} in {docker.DATA}, less than "
            f"the {need / 2**20:.0f} of separuh:backup.free_bytes. Is its archiving stuck (./inv status)? Else "
            "enlarge the volume, or lower separuh:backup.free_bytes"
        )


def a_store_can_take_it(run: Run) -> None:
    """One store is enough to go on, degraded; the next run makes the other whole.

    A site's own database alone archives to its store: without it nothing there would be complete.
    """

    def look(site: Site) -> None:
        lock.usable(run, site)
        try:
            run.estate.member(site, "db").ask(postgres.archiver())
        except CommandFailed as failure:
            raise NotReady(
                f"its database does not archive, as it does not answer: {failure.stderr.strip()}"
            ) from failure
        seen = room.ask(run, site)
        if seen and (short := room.shortage(run.settings, site, seen)):
            if not seen.blocked:
                cramped.append(site.name)
            raise NotReady(short)

    able: list[str] = []
    cramped: list[str] = []
    for site, failure in at_once(run, look, run.settings.sites).items():
        if isinstance(failure, NotReady | CommandFailed):
            run.degraded(f"{site.name}: no backup there: {failure}")
        elif failure:
            raise failure
        else:
            able.append(site.name)
    if not able:
        raise NotReady("\n".join(("no store can take a backup", *run.reasons)))
    run.remember("sites", able)
    run.remember("cramped", cramped)


def what_is_due(run: Run) -> None:
    """Say how old the last backups are, and choose the kind for each repository."""
    kinds: dict[str, str] = {}
    ages: dict[str, float] = {}
    now, policy = datetime.now(UTC), run.settings.backup
    stored = inventory(run.estate, chosen(run))
    for site in chosen(run):
        held = stored.of(run.settings.repository(site))
        asked = run.arguments.get("kind")
        kinds[site.name] = asked if asked and held else due(held, policy, now)
        if held:
            ages[site.name] = round((now - held[-1].ended_at).total_seconds() / 3600, 2)
        late = not held or ages[site.name] > policy.age_limit_hours
        last = f"last backup {ages[site.name]:.1f} h ago" if held else "no backup yet"
        mark = f", later than the {policy.age_limit_hours} h agreed" if held and late else ""
        run.estate.console.print(f"{site.name}: {last}{mark}; now {kinds[site.name]}")
    run.figures["age_hours_before"] = ages
    run.remember("kinds", kinds)
    run.remember("readable", not stored.faults)
