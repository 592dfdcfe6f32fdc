"""The lock on the repositories' buckets: kept as the settings want it, and proved by trying to break it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from infra.settings import Site
from runbooks.adapters import s3
from runbooks.core.command import Request
from runbooks.core.errors import CommandFailed, NotReady, NotVerified
from runbooks.core.run import Run
from runbooks.core.store import Store

T = TypeVar("T")
CANARY_DAYS = 1
REFUSAL = "AccessDenied"  # other refusals (a wrong key, a clock far off) say nothing about the lock


def keep(run: Run, site: Site) -> None:
    """Bring `site`'s bucket to what the settings say: Object Lock with versions, lifecycle, nothing public."""
    store, bucket, days = run.estate.store(site), run.settings.bucket(site), run.settings.backup.lock_days
    if _found(store, s3.exists(bucket), absent=False) is False:
        store.do(s3.create(bucket))
    wanted: tuple[tuple[Request[Any], Any, Request[Any]], ...] = (
        (s3.retention(bucket), s3.Retention(mode=s3.COMPLIANCE, days=days), s3.lock(bucket, days)),
        (s3.lifecycle(bucket), s3.forgetting(days), s3.forget(bucket, days)),
        (s3.public_access(bucket), s3.PUBLIC_ACCESS, s3.close(bucket)),
    )
    for question, want, change in wanted:
        if _found(store, question, absent=None) != want:
            store.do(change)


def kept(run: Run, site: Site) -> bool:
    """Say whether `site`'s bucket is as the settings say."""
    store, bucket, days = run.estate.store(site), run.settings.bucket(site), run.settings.backup.lock_days
    return (
        _found(store, s3.versioning(bucket), absent=False)
        and _found(store, s3.retention(bucket), absent=None) == s3.Retention(mode=s3.COMPLIANCE, days=days)
        and _found(store, s3.lifecycle(bucket), absent={}) == s3.forgetting(days)
        and _found(store, s3.public_access(bucket), absent={}) == s3.PUBLIC_ACCESS
    )


def usable(run: Run, site: Site) -> None:
    """Ask `site`'s store for its bucket. NotReady: it does not answer, it refuses, or the bucket has no lock."""
    store, bucket = run.estate.store(site), run.settings.bucket(site)
    try:
        if _found(store, s3.exists(bucket), absent=False) is False:
            return
        store.ask(s3.retention(bucket))
    except CommandFailed as failure:
        if failure.code == s3.MISSING:
            raise NotReady(
                f"{store.name}: bucket {bucket} was made without Object Lock, which cannot be added: move what is in "
                "it away and remove it; this runbook makes it anew"
            ) from failure
        if failure.code in s3.REFUSED:
            raise NotReady(
                f"{store.name} refuses bucket {bucket}: {failure.stderr.strip()}\nIs the key of the stack's secrets "
                "the store's own, and does this machine's clock agree with the store's?"
            ) from failure
        raise NotReady(f"{store.name} does not answer: {failure.stderr.strip()}") from failure


def prove(run: Run, site: Site, manifest: str) -> None:
    """Try to delete and to shorten, with the backup's own key, with and without bypass; all must be refused.

    A canary first: a store that gives way must not cost a manifest. NotVerified says what the store accepted.
    """
    store, bucket, now = run.estate.store(site), run.settings.bucket(site), datetime.now(UTC)
    canary = f"separuh/canary/{run.id}"
    store.do(s3.put_locked(bucket, canary, run.id.encode(), now + timedelta(days=CANARY_DAYS)))
    if run.planning:
        return
    for key in (canary, manifest):
        locked = store.ask(s3.head(bucket, key))
        if locked.mode != s3.COMPLIANCE or locked.retain_until is None:
            raise NotVerified(
                f"{store.name}: {key} in bucket {bucket} is not locked. ./inv backup sets the default lock anew"
            )
        for bypass in (False, True):
            sooner = locked.retain_until - timedelta(hours=1)
            _refused(store, "to shorten the lock of", key, s3.shorten(bucket, key, locked.version, sooner, bypass))
            _refused(store, "to delete", key, s3.delete_version(bucket, key, locked.version, bypass))
        if store.ask(s3.head(bucket, key, locked.version)) != locked:
            raise NotVerified(
                f"{store.name} refused every attempt on {key}, and it is not as it was: do not trust its lock"
            )


def _refused(store: Store, attempt: str, key: str, request: Request[None]) -> None:
    try:
        store.do(request)
    except CommandFailed as failure:
        if REFUSAL not in failure.stderr:
            raise
        return
    raise NotVerified(
        f"{store.name} let the backup's own key {attempt} {key}, against its COMPLIANCE lock: whoever has that key can "
        "destroy the backups. Keep a copy elsewhere and use a store that holds its locks"
    )


def _found(store: Store, question: Request[T], absent: Any) -> T | Any:
    """Ask, and return `absent` where what is asked for does not exist."""
    try:
        return store.ask(question)
    except CommandFailed as failure:
        if failure.code != s3.MISSING:
            raise
        return absent
