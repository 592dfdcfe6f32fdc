"""What a drill of backups asks of both repositories: what is listed there, what was left, whether all is well again."""

from __future__ import annotations

from infra.settings import Site
from runbooks.adapters import postgres, s3
from runbooks.backup import STEPS
from runbooks.core.errors import CommandFailed
from runbooks.parts.repositories import cluster, inventory
from tests.drills.stack import Stack, docker, until

# The number of the step in which pgBackRest runs: the one that can be undone.
BACKING_UP = 1 + next(number for number, step in enumerate(STEPS) if step.undo is not None)


def fill(stack: Stack) -> None:
    """Put enough data into the database for a backup to be met while it runs."""
    leader = cluster(stack.estate).leader.name
    rows = "SELECT g, md5(g::text) || md5((g * 7)::text) FROM generate_series(1, 2000000) AS g"
    filled = f"CREATE TABLE IF NOT EXISTS ballast AS {rows}"
    docker("exec", leader, "psql", "-XAtq", "-d", stack.estate.settings.cluster, "-c", filled)


def settled(stack: Stack) -> None:
    """Wait until a standby is in sync and both stores answer, so that one drill does not disturb the next."""
    until(lambda: sound(stack), 120, "the stack is whole again")


def sound(stack: Stack) -> bool:
    """Say whether every part that a backup needs is well."""
    try:
        for site in stack.estate.settings.sites:
            stack.estate.store(site).ask(s3.exists(stack.estate.settings.bucket(site)))
            if stack.estate.member(site, "db").ask(postgres.archiver()).lag_seconds > 30:
                return False
        return cluster(stack.estate).in_sync
    except CommandFailed as failure:
        return failure.code == s3.MISSING  # no bucket yet: the first backup makes it


def sites_of(stack: Stack) -> tuple[Site, ...]:
    """Return the stack's sites."""
    return stack.estate.settings.sites


def labels(stack: Stack, site: Site) -> set[str]:
    """Return the labels of `site`'s backups."""
    return {backup.label for backup in inventory(stack.estate, [site]).backups}


def half_backups(stack: Stack, site: Site) -> set[str]:
    """Return what lies in `site`'s repository as a backup and is not listed as one."""
    bucket = stack.estate.settings.bucket(site)
    prefix = f"pgbackrest/backup/{stack.estate.settings.cluster}/"
    there = stack.estate.store(site).ask(s3.folders(bucket, prefix))
    return set(there) - {"backup.history"} - labels(stack, site)


def nothing_is_left(stack: Stack) -> None:
    """Check that no lease, head, running pgBackRest, lock or half backup is left."""
    assert stack.leaseholder() is None
    assert stack.dead_run() is None
    for site in stack.estate.settings.sites:
        assert not half_backups(stack, site)
        assert not inventory(stack.estate, [site]).running
        listed = docker("exec", stack.container(site.name, "backup"), "ps", "-eo", "args").splitlines()
        assert not [line for line in listed if " backup" in line and "--annotation" in line]


def main_processes(stack: Stack) -> list[tuple[str, str]]:
    """Return where pgBackRest's backups run, and their process ids."""
    found = []
    for site in stack.estate.settings.sites:
        container = stack.container(site.name, "backup")
        for line in docker("exec", container, "ps", "-eo", "pid,comm,args").splitlines():
            process, name, arguments = line.split(None, 2)
            if name == "pgbackrest" and "--annotation" in arguments:
                found.append((container, process))
    return found
