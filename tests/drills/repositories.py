"""What a drill of backups asks of both repositories: what is listed there, what was left, whether all is well again."""

from __future__ import annotations

from infra.settings import Site
from runbooks.adapters import postgres, s3
from runbooks.backup import STEPS
from runbooks.core.errors import CommandFailed, NotReady
from runbooks.parts.repositories import cluster, inventory
from tests.drills.stack import Stack, docker, until

# The number of the step in which pgBackRest runs: the one that can be undone.
BACKING_UP = 1 + next(number for number, step in enumerate(STEPS) if step.undo is not None)


# Whoever keeps a snapshot for a fingerprint idles in its transaction, from inside the member.
HELD = """
SELECT 'paused' WHERE CASE WHEN pg_is_in_recovery() THEN pg_is_wal_replay_paused() END
UNION ALL
SELECT 'process' || pid FROM pg_stat_activity
 WHERE state = 'idle in transaction' AND backend_xmin IS NOT NULL AND client_addr IS NULL
"""


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


def leads(stack: Stack, site: Site) -> bool:
    """Say whether the database of `site` leads; for a moment after a leader is lost, none does."""
    try:
        return cluster(stack.estate).leader.name == stack.container(site.name, "db")
    except NotReady:
        return False


def sites_of(stack: Stack) -> tuple[Site, ...]:
    """Return the stack's sites."""
    return stack.estate.settings.sites


def release_all(stack: Stack) -> None:
    """Remove all old data that was set aside."""
    for site in sites_of(stack):
        docker("exec", stack.container(site.name, "backup"), "sh", "-c", "rm -rf /data/*/*.before-*")


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
    until(lambda: not held(stack), 10, "no member is held any more")


def held(stack: Stack) -> list[str]:
    """Return which members are held for a fingerprint: their replay stands, or a snapshot of theirs is kept."""
    found = []
    for site in stack.estate.settings.sites:
        name = stack.container(site.name, "db")
        folders = docker("exec", name, "sh", "-c", "ls -d /tmp/held-* 2> /dev/null || true").split()
        standing = docker("exec", name, "psql", "-XAtq", "-d", "postgres", "-c", HELD).split()
        found += [f"{name} {what}" for what in (*folders, *standing)]
    return found


def main_processes(stack: Stack, to: Site | None = None) -> list[tuple[str, str]]:
    """Return where pgBackRest's backups run, or those `to` one site's repository, and their process ids."""
    return processes_with("--annotation", stack, to)


def copying_processes(stack: Stack, to: Site | None = None) -> list[tuple[str, str]]:
    """Return where the workers of backups run, once there is something to copy, and their process ids."""
    return processes_with("backup:local", stack, to)


def processes_with(word: str, stack: Stack, to: Site | None) -> list[tuple[str, str]]:
    """Return the containers and process ids of the pgBackRest with `word` in its arguments."""
    repository = f"--repo={stack.estate.settings.repository(to)} " if to else ""
    found = []
    for site in stack.estate.settings.sites:
        container = stack.container(site.name, "backup")
        for line in docker("exec", container, "ps", "-eo", "pid,comm,args").splitlines():
            process, name, arguments = line.split(None, 2)
            if name == "pgbackrest" and word in arguments and repository in arguments:
                found.append((container, process))
    return found
