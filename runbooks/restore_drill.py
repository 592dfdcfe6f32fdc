"""Restore a backup into a throwaway database, prove what it holds, time it, throw it away, leave signed evidence."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import datetime

from infra.settings import container
from runbooks.adapters import docker, pgbackrest, postgres, restored
from runbooks.core.errors import Exit, NotReady
from runbooks.core.evidence import Restored
from runbooks.core.leader import leader
from runbooks.core.origin import now
from runbooks.core.procedure import carry_out
from runbooks.core.run import Run, Runbook, Step
from runbooks.core.session import open_stack
from runbooks.parts import drill_evidence, evidence_files, lock, proof, service, throwaway
from runbooks.parts.findings import usable
from runbooks.parts.repositories import archived, at_once, chosen, cluster, inventory
from runbooks.parts.source import fetch

MORE = 1.2  # times the database's size: what is restored, and the log that is replayed
LOOKED_BACK = 32  # segments in which a commit is looked for, newest first; a backup alone closes several


def restore_drill(
    stack: str,
    site: str = "",
    origin: str = "",
    backup: str = "",
    plan: bool = False,
    resume: bool = False,
) -> Exit:
    """Restore at `site` (else where a standby is) the newest `backup`, or one by label, of `origin`'s repository.

    `origin` is the site whose repository is read, else `site`'s own. Serving is not touched, so nothing is asked.
    """
    settings, secrets = open_stack(stack)
    for name in filter(None, (site, origin)):
        settings.site(name)
    given = {"site": site, "from": origin, "backup": backup}
    arguments = {name: value for name, value in given.items() if value}
    return carry_out(RUNBOOK, settings, secrets, plan=plan, resume=resume, arguments=arguments)


# -- prechecks


def the_order_is_noted(run: Run) -> None:
    """The time to recovery begins here; what the repository could give back now is judged by what was committed."""
    run.remember("ordered", time.monotonic())
    run.remember("started_at", now())
    run.remember("committed", leader(run.estate).ask(postgres.last_commit()))


def a_site_is_chosen(run: Run) -> None:
    """Restore where a standby is, which takes no payments, unless a site is named."""
    seen = cluster(run.estate)
    names = [member.name for member in (*seen.standbys, seen.leader)]
    sites = [site for name in names for site in run.settings.sites if container(run.settings, site, "db") == name]
    site = run.arguments.get("site") or sites[0].name
    run.remember("site", site)
    run.remember("from", run.arguments.get("from") or site)


def the_stores_answer(run: Run) -> None:
    """The store that is restored from must; where the other does not, the evidence goes to one alone."""
    answering = []
    for site, failure in at_once(run, lambda site: lock.usable(run, site), run.settings.sites).items():
        if failure is None:
            answering.append(site.name)
        elif not isinstance(failure, NotReady) or site == throwaway.origin(run):
            raise failure
        else:
            run.degraded(f"{site.name}: no evidence there: {failure}")
    run.remember("sites", answering)
    evidence_files.public_key(run.secrets)


def a_backup_is_chosen(run: Run) -> None:
    """The newest, or the one named; it must have a fingerprint, or there is nothing to compare a copy with."""
    site, label = throwaway.origin(run), run.arguments.get("backup")
    held = inventory(run.estate, [site]).of(run.settings.repository(site))
    wanted = [backup for backup in held if label in (None, backup.label)]
    if not wanted:
        what = f"no backup {label}" if label else "no backup"
        raise NotReady(f"{site.name}: its repository has {what}: ./inv backup.list shows what there is")
    backup = wanted[-1]
    if not any(fetch(run.estate, each, backup.label) for each in chosen(run)):
        raise NotReady(
            f"{site.name}: backup {backup.label} has no fingerprint, so a copy of it cannot be proved: ./inv backup "
            "makes one that has, while a standby streams"
        )
    told = Restored(
        repository=site.name,
        label=backup.label,
        kind=backup.kind,
        ended_at=backup.ended_at.isoformat(),
        database_bytes=backup.database_bytes,
    )
    run.remember("label", backup.label)
    run.remember("backup", asdict(told))
    run.remember("archived", {each.name: archived(run.estate, each) for each in chosen(run)})
    ended = f"{backup.ended_at:%Y-%m-%d %H:%M} UTC"
    said = f"{throwaway.here(run).name}: backup {backup.label} from {site.name}, which ended {ended}"
    run.estate.console.print(said, markup=False, highlight=False)


def there_is_room(run: Run) -> None:
    """The copy lies on the disk of the site's own database, which must keep its room."""
    host = run.estate.member(throwaway.here(run), "backup")
    space = host.ask(docker.free(docker.DATA))
    need = int(run.recall("backup")["database_bytes"] * MORE) + run.settings.backup.free_bytes
    if space.free < need:
        raise NotReady(
            f"{host.name}: {space.free / 2**20:.0f} MiB free, and the copy needs {need / 2**20:.0f} with the room that "
            "separuh:backup.free_bytes keeps: drill at the other site (--site), or enlarge the disk"
        )


# -- steps


def measure_loss(run: Run) -> None:
    """Find the newest commit that the repository could have given back when the drill was ordered."""
    site, committed = throwaway.origin(run), run.recall("committed")
    names = sorted(filter(None, map(pgbackrest.segment, run.recall("archived")[site.name])), reverse=True)
    command = restored.newest_commit(run.settings.cluster, run.settings.repository(site), names[:LOOKED_BACK])
    run.figures["rpo_seconds"] = None
    if run.planning or not usable(run):
        return
    if (newest := throwaway.copy(run).ask(command)) and committed:
        lost = (datetime.fromisoformat(committed) - newest).total_seconds()
        run.figures["rpo_seconds"] = round(max(0.0, lost), 2)


STEPS = (
    Step("Make a throwaway container and volume", throwaway.make, throwaway.made, throwaway.remove, stage="plan"),
    Step("Restore the backup into it", throwaway.restore, throwaway.is_restored),
    Step("Start it, up to the point of the fingerprint", throwaway.start, throwaway.answers, within=600),
    Step("Measure what the repository would lose", measure_loss, stage="analyse", optional=True),
    Step("Cut it off from every network", throwaway.cut_off, throwaway.is_cut_off),
    Step("Prove what it holds", proof.prove_content, lambda run: bool(run.recall("proved_content")), stage="test"),
    Step(
        "Let the service take a payment on it",
        service.prove_service,
        lambda run: bool(run.recall("proved_service")),
        stage="test",
    ),
    Step(
        "See that it has written to no repository",
        proof.prove_isolation,
        lambda run: bool(run.recall("proved_isolation")),
        stage="test",
    ),
    Step("Stop it and check every page", proof.prove_pages, lambda run: bool(run.recall("proved_pages")), stage="test"),
    Step("Sign the evidence and lock it in the stores", drill_evidence.leave, drill_evidence.left, stage="document"),
    Step("Throw the copy away", throwaway.remove, throwaway.removed, stage="implement"),
    Step("Judge: every check has passed", drill_evidence.judge, stage="test"),
)

RUNBOOK = Runbook(
    name="restore-drill",
    title="restore a backup into a throwaway database and prove it",
    prechecks=(the_order_is_noted, a_site_is_chosen, the_stores_answer, a_backup_is_chosen, there_is_room),
    steps=STEPS,
)
