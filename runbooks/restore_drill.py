"""Restore a backup into a throwaway database, prove what it holds, time it, throw it away, leave signed evidence."""

from __future__ import annotations

import time
from datetime import datetime

from infra.settings import container
from runbooks.adapters import postgres, restored
from runbooks.core.errors import Exit, NotReady, SeparuhError
from runbooks.core.leader import leader
from runbooks.core.origin import now
from runbooks.core.procedure import carry_out
from runbooks.core.run import Run, Runbook, Step
from runbooks.core.session import open_stack
from runbooks.parts import (
    apart,
    archived_point,
    drill_evidence,
    evidence_files,
    lock,
    narrowed,
    proof,
    second,
    service,
    throwaway,
)
from runbooks.parts import target as targets
from runbooks.parts.choice import a_backup_is_chosen
from runbooks.parts.findings import usable
from runbooks.parts.repositories import at_once, cluster
from runbooks.parts.space import there_is_room


def restore_drill(
    stack: str,
    site: str = "",
    origin: str = "",
    backup: str = "",
    at: str = "",
    lsn: str = "",
    as_of: str = "",
    plan: bool = False,
    resume: bool = False,
) -> Exit:
    """Restore at `site` (else where a standby is) the newest `backup`, or one by label, of `origin`'s repository.

    `origin` is the site whose repository is read, else `site`'s own. `at` (a time) or `lsn` restores to that point and
    not to a backup's fingerprint, `as_of` (a time) from what the repository's bucket held then. Serving is not touched,
    so nothing is asked.
    """
    if backup and (at or lsn):
        raise SeparuhError("--backup with --at or --lsn: the newest backup that leads to the point is taken")
    point = targets.chosen(at, lsn)
    before = targets.moment(as_of).isoformat(timespec="seconds") if as_of else ""
    settings, secrets = open_stack(stack)
    for name in filter(None, (site, origin)):
        settings.site(name)
    given = {"site": site, "from": origin, "backup": backup, "as_of": before}
    given |= {"at": point.value} if at else {"lsn": point.value}
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


def a_second_can_be_made(run: Run) -> None:
    """A point that is named has no stored fingerprint: a copy from the other repository is what there is to compare."""
    if apart.asked(run).kind != "newest":
        second.choose(run, 2)


# -- steps


def measure_loss(run: Run) -> None:
    """Find the newest commit that the repository could have given back when the drill was ordered."""
    committed, first = run.recall("committed"), throwaway.first(run)
    repository = run.settings.repository(first.origin)
    command = restored.newest_commit(run.settings.cluster, repository, run.recall("segments"), first.as_of)
    run.figures["rpo_seconds"] = None
    if run.planning or not usable(run):
        return
    if (newest := throwaway.copy(run).ask(command)) and committed:
        lost = (datetime.fromisoformat(committed) - newest).total_seconds()
        run.figures["rpo_seconds"] = round(max(0.0, lost), 2)


CLOSE = Step("Close the log behind the point", archived_point.close, archived_point.closed, stage="plan", within=90)
SECOND = Step(
    "Restore the same point from the other repository", second.restore, second.stands, second.remove, within=60
)
NARROW = Step(
    "Narrow what differs to rows and columns",
    narrowed.narrow_differences,
    narrowed.are_narrowed,
    second.remove,
    stage="analyse",
    optional=True,
)

STEPS = (
    Step("Make a throwaway container and volume", throwaway.make, throwaway.made, throwaway.remove, stage="plan"),
    Step("Restore the backup into it", throwaway.restore, throwaway.is_restored),
    Step("Start it, up to the point", throwaway.start, throwaway.answers, within=600),
    Step("Measure what the repository would lose", measure_loss, stage="analyse", optional=True),
    Step("Cut it off from every network", throwaway.cut_off, throwaway.is_cut_off),
    Step("Prove what it holds", proof.prove_content, lambda run: bool(run.recall("proved_content")), stage="test"),
    NARROW,
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


def steps(run: Run) -> tuple[Step, ...]:
    """Return the steps of `run`: to a backup's fingerprint, or to a point that was named, which takes more of them."""
    if apart.asked(run).kind == "newest":
        return STEPS
    close = () if run.arguments.get("as_of") else (CLOSE,)
    other = (SECOND,) if second.backup(run) else ()
    place = next(number for number, step in enumerate(STEPS) if step.do is proof.prove_content)
    return (*close, *STEPS[:place], *other, *STEPS[place:])


RUNBOOK = Runbook(
    name="restore-drill",
    title="restore a backup into a throwaway database and prove it",
    prechecks=(
        *(the_order_is_noted, a_site_is_chosen, the_stores_answer),
        *(a_backup_is_chosen, there_is_room, a_second_can_be_made),
    ),
    steps=steps,
)
