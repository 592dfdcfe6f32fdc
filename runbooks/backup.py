"""Back up the database to both sites' repositories at once, and prove the backups listed, complete and locked."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from infra.settings import Site
from runbooks.adapters import pgbackrest, postgres
from runbooks.adapters.pgbackrest import KINDS, Backup
from runbooks.core.errors import Exit, NotVerified, SeparuhError
from runbooks.core.gather import together
from runbooks.core.leader import leader
from runbooks.core.procedure import carry_out
from runbooks.core.run import Run, Runbook, Step
from runbooks.core.session import open_stack
from runbooks.parts import lock, mirror
from runbooks.parts.copies import list_backups, verify_backups
from runbooks.parts.copying import await_expiry, back_up, end_backups
from runbooks.parts.readiness import a_leader_is_known, a_store_can_take_it, there_is_space, what_is_due
from runbooks.parts.repositories import (
    chosen,
    databases_bytes,
    everywhere,
    inventory,
    lacking,
    made_by,
    segments,
    workplace,
)
from runbooks.parts.standstill import fingerprinted, let_go, take_fingerprint

__all__ = ["RUNBOOK", "backup", "list_backups", "verify_backups"]

NONE = "none"  # the argument of a run that takes no fingerprint
PLAUSIBLE = (0.5, 2.0)  # a backup's database size over what PostgreSQL says: less lost files, more read another's


def backup(
    stack: str,
    kind: str = "",
    fingerprint: bool = True,
    plan: bool = False,
    yes: bool = False,
    resume: bool = False,
) -> Exit:
    """Back up `stack`. `kind` is full, diff or incr; empty lets each repository's age decide.

    Without a `fingerprint` it takes no longer than the copies, and no restore drill can prove it.
    """
    if kind and kind not in KINDS:
        raise SeparuhError(f"no kind of backup {kind!r}: it is one of {', '.join(KINDS)}, or left out for the policy")
    settings, secrets = open_stack(stack)
    arguments = {"kind": kind, "fingerprint": "" if fingerprint else NONE}
    given = {name: value for name, value in arguments.items() if value}
    return carry_out(RUNBOOK, settings, secrets, plan=plan, yes=yes, resume=resume, arguments=given)


def keep_buckets(run: Run) -> None:
    """Make and mend what the backups are put into, and the stanza in it."""
    everywhere(run, lambda site: lock.keep(run, site))
    if inventory(run.estate, chosen(run)).faults:
        workplace(run.estate).do(pgbackrest.stanza_create(run.settings.cluster))
    run.remember("readable", not inventory(run.estate, chosen(run)).faults)


def buckets_kept(run: Run) -> bool:
    """Say whether each store has its bucket as wanted, and pgBackRest could read its repository there when asked."""
    return bool(run.recall("readable")) and all(lock.kept(run, site) for site in chosen(run))


def push_archives(run: Run) -> None:
    """Switch the leader's segment: an archiver that waits after failures tries again at once."""
    leader(run.estate).do(postgres.switch_wal())


def archives_current(run: Run) -> None:
    """A backup needs the segments written during it: neither site's archiver may be far behind."""
    limit = run.settings.backup.archive_lag_seconds
    lags = run.figures["archive_lag_seconds"] = {}

    def look(site: Site) -> None:
        archiver = run.estate.member(site, "db").ask(postgres.archiver())
        lags[site.name] = round(archiver.lag_seconds, 1)
        if archiver.lag_seconds > limit:
            raise NotVerified(
                f"{site.name}: the oldest of {archiver.waiting} segments has waited {archiver.lag_seconds:.0f} s to be "
                f"archived (limit {limit} s, pg_wal {archiver.wal_bytes / 2**20:.0f} MiB, last failed "
                f"{archiver.last_failed or 'none'}). The log of its db container says why"
            )

    everywhere(run, look)


def backed_up(run: Run) -> bool:
    """Say whether this run's backup is listed in each repository, with all its segments and a plausible size."""
    if not run.recall("copying"):
        return False
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(databases_bytes, run.estate)
        found = made_by(run, chosen(run))
    if len(found) < len(chosen(run)):
        return False
    size = asked.result()
    everywhere(run, lambda site: complete(run, site, found[site], size))
    run.figures["database_bytes"] = size
    return True


def complete(run: Run, site: Site, made: Backup, size: int) -> None:
    """Raise NotVerified unless the backup is complete and plausible; note its figures."""
    if missing := lacking(made, segments(run.estate, site)):
        raise NotVerified(f"{site.name}: backup {made.label} lacks {', '.join(missing)} in its archive")
    low, high = (factor * size for factor in PLAUSIBLE)
    if made.damaged or not low <= made.database_bytes <= high or not made.repository_bytes:
        raise NotVerified(
            f"{site.name}: backup {made.label} is not plausible: {made.database_bytes} bytes of a database of {size}"
            + (", with pages whose checksum is wrong" if made.damaged else "")
        )
    run.figures.setdefault("repositories", {})[site.name] = {
        "kind": made.kind,
        "label": made.label,
        "seconds": made.seconds,
        "bytes": made.repository_bytes,
        "wal_bytes": len(postgres.between(made.wal_start, made.wal_stop)) * postgres.SEGMENT_BYTES,
    }
    run.figures["bytes"] = sum(each["bytes"] for each in run.figures["repositories"].values())


def prove_lock(run: Run) -> None:
    """Try to break each store's lock, on a canary and on the new backup's manifest."""
    made = {site.name: {"label": "LABEL"} for site in chosen(run)} if run.planning else run.figures["repositories"]
    stanza = run.settings.cluster
    everywhere(run, lambda site: lock.prove(run, site, pgbackrest.manifest(stanza, made[site.name]["label"])))
    run.figures["lock"] = {site.name: "proved" for site in chosen(run)}


def expire(run: Run) -> None:
    """Let pgBackRest drop what is past its retention; the lock keeps the versions for as long as it holds.

    Also from a store that was left out for want of room: nothing else would ever make any.
    """
    settings = run.settings
    cramped = [settings.site(name) for name in run.recall("cramped", [])]

    def drop(site: Site) -> None:
        if run.resumed:
            await_expiry(run, site)
        command = pgbackrest.expire(settings.cluster, settings.repository(site))
        run.estate.member(site, "backup").do(command)

    everywhere(run, drop, [*chosen(run), *cramped])


FINGERPRINT = Step(
    "Take the fingerprint of the point behind it",
    take_fingerprint,
    fingerprinted,
    let_go,
    stage="test",
    within=90,
    optional=True,
)

STEPS = (
    Step("Keep the buckets locked, versioned and private", keep_buckets, buckets_kept),
    Step("Let both archives catch up", push_archives, archives_current, stage="identify", within=90, optional=True),
    Step("Back up to both repositories at once", back_up, backed_up, end_backups, within=60),
    Step("Prove the lock by trying to break it", prove_lock, stage="test"),
    FINGERPRINT,
    Step("Mirror the sealed secrets to the stores", mirror.mirror, mirror.mirrored, stage="document", optional=True),
    Step("Expire what is past its retention", expire, stage="document", optional=True),
)


def steps(run: Run) -> tuple[Step, ...]:
    """Return the steps of `run`: all, or those without the fingerprint."""
    return tuple(step for step in STEPS if step is not FINGERPRINT or run.arguments.get("fingerprint") != NONE)


RUNBOOK = Runbook(
    name="backup",
    title="back up to both sites' repositories",
    prechecks=(together(a_leader_is_known, there_is_space, a_store_can_take_it), what_is_due),
    steps=steps,
)
