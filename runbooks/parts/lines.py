"""Timelines as the repositories tell of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from infra.settings import Settings, Site
from runbooks.adapters import pgbackrest, timelines
from runbooks.adapters.timelines import Timeline
from runbooks.core.errors import CommandFailed, NotReady
from runbooks.core.host import Host
from runbooks.parts.repositories import archive


def newest(keys: Iterable[str]) -> int:
    """Return the newest timeline of which something is archived, the first where nothing is.

    A repository may have a timeline's segments and not its history: a standby that copied its leader had that already.
    """
    return max(map(pgbackrest.timeline, keys), default=timelines.FIRST)


def timeline(settings: Settings, host: Host, number: int, sites: Sequence[Site]) -> Timeline:
    """Return a timeline with what it goes on from, by the first of `sites` whose repository has its history.

    `host` is the container in which it is read. NotReady: none has it.
    """
    if number == timelines.FIRST:
        return Timeline(number=number)
    failures = []
    for site in sites:
        try:
            return host.ask(timelines.history(archive(settings, site), number))
        except CommandFailed as failure:
            failures.append(str(failure))
    raise NotReady("\n".join((f"no repository has the history of timeline {number}", *failures)))
