"""What a versioned bucket held at an earlier moment, and what was deleted from it: markers hide versions, no more."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from infra.settings import Site
from runbooks.adapters import pgbackrest, s3
from runbooks.adapters.s3 import Event
from runbooks.core.host import Estate

A_SECOND = timedelta(seconds=1)  # to which pgBackRest cuts the times that a bucket tells
APART = timedelta(minutes=1)  # two deletions further apart are two matters


def history(estate: Estate, site: Site, prefix: str) -> list[Event]:
    """Return all that became of the objects under `prefix` in `site`'s bucket."""
    store, bucket = estate.store(site), estate.settings.bucket(site)
    page = store.ask(s3.history(bucket, prefix))
    events = list(page.events)
    while page.after:
        page = store.ask(s3.history(bucket, prefix, page.after))
        events += page.events
    return events


def held(events: Iterable[Event], at: datetime) -> dict[str, str]:
    """Return the version of each object that was there at a moment, by key."""
    newest = _newest(event for event in events if event.at.replace(microsecond=0) <= at)
    return {key: event.version for key, event in newest.items() if not event.deleted}


def advice(estate: Estate, site: Site, label: str = "", as_of: str = "") -> str:
    """Return what to type where a backup's objects were deleted, or (no `label`) the lists of all, "" where none was.

    `as_of` is the moment that was tried already: an earlier one helps, where there is one.
    """
    events = history(estate, site, f"{pgbackrest.PATH}/")
    moment = _before(_of_backup(events, label) if label else _with_lists(events))
    if moment is None or (as_of and moment >= datetime.fromisoformat(as_of)):
        return ""
    named = f" --backup {label}" if label else ""
    drill = f"./inv restore-drill --as-of {moment:%Y-%m-%dT%H:%M:%SZ} --from {site.name}{named}"
    return (
        f"{site.name}: objects of this repository were deleted, the first after {moment:%Y-%m-%d %H:%M:%S} UTC, and "
        f"its bucket still has their versions: {drill} restores from what it held then. Find out whose key deleted "
        "them, and replace it"
    )


def _of_backup(events: list[Event], label: str) -> datetime | None:
    """Return when the first was deleted of what a backup needs, None where nothing of it was."""
    puts = _newest(event for event in events if not event.deleted)
    needed = {key for key, put in puts.items() if pgbackrest.needs(label, key, put.at)}
    return min((event.at for event in _newest(events).values() if event.deleted and event.key in needed), default=None)


def _with_lists(events: list[Event]) -> datetime | None:
    """Return when the deleting began in which the lists of all backups went, None where they are there.

    Deletions follow each other within it; what expired at some other time was deleted by itself.
    """
    gone = sorted((event for event in _newest(events).values() if event.deleted), key=lambda event: event.at)
    began = min((event.at for event in gone if pgbackrest.is_list(event.key)), default=None)
    for event in reversed(gone):
        if began and event.at <= began <= event.at + APART:
            began = event.at
    return began


def _before(moment: datetime | None) -> datetime | None:
    """Return the last whole second before a moment in which nothing had happened yet."""
    return moment.replace(microsecond=0) - A_SECOND if moment else None


def _newest(events: Iterable[Event]) -> dict[str, Event]:
    newest: dict[str, Event] = {}
    for event in events:
        if event.key not in newest or newest[event.key].at <= event.at:
            newest[event.key] = event
    return newest
