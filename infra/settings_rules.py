"""What no single field of a stack's config can show to be wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from infra.settings import Settings


def problems(settings: Settings) -> Iterator[str]:
    """Yield what is wrong with the values taken together, each as a line that says what to do."""
    places, backup, failover = settings.places, settings.backup, settings.failover
    engines = {place.engine for place in places}
    if len({place.name for place in places}) < len(places):
        yield "two places have the same name"
    if len(engines) not in (1, len(places)):
        yield "places must all share one engine or have one each: a witness on a site's engine falls with it"
    if settings.production and len(engines) == 1:
        yield "production needs three engines: one engine is one place"
    if len(engines) > 1 and any(place.publish.address.startswith("127.") for place in places):
        yield "places on engines of their own need publish.address, the address at which the others reach them"
    if (
        failover.detector
        and failover.silence_seconds + settings.database.loop_wait_seconds >= settings.database.ttl_seconds
    ):
        yield "failover.silence_seconds must end before the leader's lease, database.ttl_seconds, is over"
    if backup.lock_days < backup.retention_days + backup.full_every_days:
        yield (
            "backup.lock_days must be at least retention_days + full_every_days: a full is kept until the next one is "
            "past its retention, and must not lose its lock before"
        )
