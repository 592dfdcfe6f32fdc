"""pgBackRest run to both repositories at once: adopted where its runner died, begun again where the leader moved."""

from __future__ import annotations

import contextlib

from infra.settings import Site, container
from runbooks.adapters import patroni, pgbackrest, postgres, processes
from runbooks.core.command import Command
from runbooks.core.errors import CommandFailed, NotVerified
from runbooks.core.host import Host
from runbooks.core.leader import leader
from runbooks.core.perform import wait_until_holds
from runbooks.core.run import Run, Step
from runbooks.parts import room
from runbooks.parts.repositories import at_once, chosen, cluster, made_by, workplace
from runbooks.parts.stall import Stalled, watched

NO_CONTAINER = ("is not running", "No such container")  # where none is, nothing runs
EXPIRING = 900.0  # seconds
LONGEST = 12 * 3600.0  # seconds that a backup may take before it counts as stuck


def back_up(run: Run) -> None:
    """Run pgBackRest once a repository, all at the same time: its locks are by repository.

    A repository that fails while another succeeds leaves the run degraded.
    """
    run.notes["copying"] = True  # for this runner: another one looks for itself, and adopts what it finds
    sites, failures = chosen(run), []
    host = workplace(run.estate)
    for site, failure in at_once(run, lambda site: _back_up_to(run, site, host)).items():
        if failure is not None:
            failures.append(_explained(run, site, failure))
            sites.remove(site)
    if not sites:
        raise NotVerified("\n".join(failures))
    for text in failures:
        run.degraded(text)
    run.remember("sites", [site.name for site in sites])


def _back_up_to(run: Run, site: Site, host: Host) -> None:
    """Back up to one repository; wait for what a dead runner left running, and begin again once if the leader moved."""
    repository, stanza = run.settings.repository(site), run.settings.cluster
    if run.resumed:
        if _adopted(run, site):
            return
        host.do(_ending(run, site))  # workers that outlived their pgBackRest hold its lock
    share = max(1, run.settings.backup.process_max // len(chosen(run)))
    command = pgbackrest.backup(stanza, repository, run.recall("kinds", {})[site.name], run.id, share, LONGEST)
    try:
        with watched(run, site, host):
            host.do(command)
    except CommandFailed as failure:
        if not _leader_moved(run, failure):
            raise
        run.estate.console.print(
            f"{site.name}: the leader moved, and pgBackRest ended with [{failure.code:03}]: beginning again",
        )
        _settle_leader(run)
        host = workplace(run.estate)
        with watched(run, site, host):
            host.do(command)


def _adopted(run: Run, site: Site) -> bool:
    """Wait for a backup that the dead runner began, wherever it runs, and say whether it succeeded."""
    repository = run.settings.repository(site)
    for place in run.settings.sites:
        host = run.estate.member(place, "backup")
        try:
            if host.ask(processes.running(repository, run.id)):
                said = f"{host.name}: waiting for the backup to {site.name} that still runs there"
                run.estate.console.print(said)
                with watched(run, site, host):
                    host.ask(processes.await_end(repository, run.id, LONGEST))
        except CommandFailed:
            continue  # a container that does not answer runs nothing for us
    return site in made_by(run, [site])


def _leader_moved(run: Run, failure: CommandFailed) -> bool:
    """Say whether the failure came with, or soon after, a promotion."""
    if failure.code in (pgbackrest.NO_PRIMARY, pgbackrest.OTHER_TIMELINE):
        return True
    return _wait_for_leader(run).name != str(run.recall("leader"))


def _wait_for_leader(run: Run) -> patroni.Member:
    """Return the leader, once there is one that has left recovery."""
    settled = Step("a leader out of recovery", lambda _: None, lambda run: leader(run.estate) is not None, within=60)
    wait_until_holds(settled, run)
    return cluster(run.estate).leader


def _settle_leader(run: Run) -> None:
    """Let the new leader's control file name its timeline: until then pgBackRest refuses it [058]."""
    _wait_for_leader(run)
    leader(run.estate).do(postgres.checkpoint())


def _explained(run: Run, site: Site, failure: BaseException) -> str:
    """Say which repository has no backup, why, and what to do next. Raise what is no failure of pgBackRest's."""
    if isinstance(failure, Stalled):
        ended, said = str(failure), "the store, a disk or the database stands still"
    elif isinstance(failure, CommandFailed):
        ended = "did not end in time" if failure.code is None else f"pgBackRest ended with [{failure.code:03}]"
        said = failure.stderr.strip()
    else:
        raise failure
    return f"{site.name}: no backup there: {ended}: {said}\n{_hint(run, site, said, failure)}"


def _hint(run: Run, site: Site, said: str, failure: CommandFailed | Stalled) -> str:
    """Say what to do next. The store is asked first: one that is full does not say so to whoever writes."""
    with contextlib.suppress(CommandFailed):
        seen = room.ask(run, site)
        if seen and (short := room.shortage(run.settings, site, seen)):
            return short
    if "No space left" in said or "InsufficientStorage" in said or "QuotaExceeded" in said:
        return "a disk is full: enlarge it, or let ./inv backup expire more with a lower separuh:backup.retention_days"
    if "403" in said:
        return "the store refuses the backup's key: compare the stack's secrets with the store's own"
    if isinstance(failure, CommandFailed) and failure.code == pgbackrest.LOCK_HELD:
        return "another pgBackRest, which no runbook began, works there: wait until it ends, then ./inv backup again"
    hint = "./inv status shows the store; the next ./inv backup makes it whole"
    if site.s3_endpoint:
        return hint
    return f"{hint}. docker logs {container(run.settings, site, 'store')} tells why a store has ended"


def end_backups(run: Run) -> None:
    """End what this run, or its dead runner, still has running; the next backup takes up or clears what it copied."""
    for place in run.settings.sites:
        host = run.estate.member(place, "backup")
        for site in run.settings.sites:
            try:
                host.do(_ending(run, site))
            except CommandFailed as failure:
                if not any(said in failure.stderr for said in NO_CONTAINER):
                    raise


def _ending(run: Run, site: Site) -> Command[str]:
    return processes.end(run.settings.cluster, run.settings.repository(site), run.id)


def await_expiry(run: Run, site: Site) -> None:
    """Wait for what a dead runner left expiring, wherever it runs: it holds the repository's lock there."""
    for place in run.settings.sites:
        with contextlib.suppress(CommandFailed):  # a container that does not answer runs nothing for us
            run.estate.member(place, "backup").ask(processes.await_expiry(run.settings.repository(site), EXPIRING))
