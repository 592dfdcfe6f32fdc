"""A returned site's repository made whole: the timeline's history, the log without a gap, a backup of its own."""

from __future__ import annotations

from runbooks import backup
from runbooks.adapters import pgbackrest, postgres, recovery, returning, s3, timelines
from runbooks.core.errors import NotVerified
from runbooks.core.host import Host
from runbooks.core.perform import wait_until_holds
from runbooks.core.run import Run, Step
from runbooks.parts import copying, lock, mirror, movable
from runbooks.parts.repositories import archived, cluster, inventory, segments
from runbooks.parts.returned import here, led

ANSWERS = 90.0  # seconds for a store that was started now


def use_its_store(run: Run) -> None:
    """From here on the run's store is that of the site, if it answers within its time."""
    run.remember("sites", [])
    if not run.planning:
        wait_until_holds(Step("its store answers", lambda _: None, _answers, within=ANSWERS), run)
        run.remember("leader", cluster(run.estate).leader.name)
    run.remember("sites", [here(run).name])


def _answers(run: Run) -> None:
    lock.usable(run, here(run))


def its_store_is_used(run: Run) -> bool:
    """Say whether its store answered; one that did not is asked again by whoever goes on."""
    return usable(run)


def usable(run: Run) -> bool:
    """Say whether its store answered: without it nothing can be made whole, and the run says so already."""
    return bool(run.recall("sites"))


def keep_bucket(run: Run) -> None:
    """Make and mend its bucket, and the stanza in it."""
    if run.planning:
        run.estate.store(here(run)).do(s3.create(run.settings.bucket(here(run))))
        return
    backup.keep_buckets(run)


def bucket_is_kept(run: Run) -> bool:
    """Say whether its bucket is as wanted."""
    return not usable(run) or backup.buckets_kept(run)


def archive_what_is_lacking(run: Run) -> None:
    """Have it archive its timelines' histories; and end the leader's segment, so that it archives what follows."""
    if not run.planning:
        run.remember("timeline", cluster(run.estate).leader.timeline)
        run.remember("last_segment", _leader(run).ask(recovery.writing()))
    number = run.recall("timeline", timelines.FIRST)
    run.estate.member(here(run), "db").do(recovery.archive_history(run.settings.database.path, number))
    _leader(run).do(returning.end_segment())


def is_archived(run: Run) -> bool:
    """Say whether its repository has the timeline's history, and the log up to now."""
    number, segment = run.recall("timeline"), run.recall("last_segment")
    if not usable(run):
        return True
    if not segment:
        return False
    keys = archived(run.estate, here(run))
    known = number == timelines.FIRST or number in map(timelines.archived, keys)
    if not known:
        raise NotVerified(f"{here(run).name}: the history of timeline {number} is not archived")
    if segment not in map(pgbackrest.segment, keys):
        raise NotVerified(f"{here(run).name}: {segment} is not archived")
    return True


def see_ways_open(run: Run) -> None:
    """See its route, pooler, gateway and service answer."""


def ways_are_open(run: Run) -> None:
    """NotReady names what does not answer yet."""
    movable.passage_is_open(run, here(run))
    movable.gateway_answers(run, here(run))


def refill(run: Run) -> None:
    """Back up to its repository alone, as `backup` does, where that cannot be restored from to the end of the log."""
    kind = "full" if run.planning else _kind(run)
    run.remember("kinds", {here(run).name: kind})
    run.remember("refill", kind)
    if not kind:
        return
    if not run.planning:
        said = f"{here(run).name}: {run.recall('why_refilled')}: a backup, {kind}"
        run.estate.console.print(said)
    copying.back_up(run)


def is_refilled(run: Run) -> bool:
    """Say whether it has what it needs; note what was copied."""
    if run.recall("refill") is None and usable(run) and not _kind(run):
        run.remember("refill", "")
    return not usable(run) or run.recall("refill") == "" or backup.backed_up(run)


def _kind(run: Run) -> str:
    """Return which backup its repository needs to be whole, "" for none; remember why."""
    site, number = here(run), run.settings.repository(here(run))
    held = inventory(run.estate, [site])
    if number in held.faults or not held.of(number):
        run.remember("why_refilled", "its repository has no backup")
        return "full"
    newest = held.of(number)[-1]
    behind = [name for name in segments(run.estate, site) if name[8:] >= newest.wal_start[8:]]
    if gaps := postgres.missing([newest.wal_start, *behind]):
        few = ", ".join(gaps[:3]) + (" ..." if len(gaps) > 3 else "")
        run.remember("why_refilled", f"its archive lacks {len(gaps)} segments behind its last backup ({few})")
        return "diff"
    return ""


def mirror_secrets(run: Run) -> None:
    """Put the sealed secrets into its store, which may have lost them."""
    if run.planning:
        bucket = run.settings.bucket(here(run))
        run.estate.store(here(run)).do(s3.put(bucket, mirror.KEY, mirror.sealed(run.settings)))
        return
    mirror.mirror(run)


def secrets_are_mirrored(run: Run) -> bool:
    """Say whether its store has them."""
    return not usable(run) or mirror.mirrored(run)


def _leader(run: Run) -> Host:
    return run.estate.member(led(run), "db")
