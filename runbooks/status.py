"""How the stack stands, within three seconds, also when a site is silent. Looks, and changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

from rich.console import Console

from infra.settings import Site
from runbooks.adapters import docker, etcd, patroni, pgbackrest, postgres, s3
from runbooks.core.errors import Exit
from runbooks.core.gather import gather
from runbooks.core.host import Estate
from runbooks.core.lease import Lease
from runbooks.core.quorum import Etcd
from runbooks.core.session import open_stack
from runbooks.health import Answers, Health, judge, members

WITHIN = 2.0  # seconds for all answers; the rest of the three is Python's start
EXITS = {
    "healthy": Exit.DONE,
    "degraded": Exit.DEGRADED,
    "not serving": Exit.NOT_READY,
    "not known": Exit.NOT_READY,
}
COLOURS = {"healthy": "green", "degraded": "yellow", "not serving": "red", "not known": "red"}


def status(stack: str, as_json: bool) -> Exit:
    """Print how the stack stands. Returns DONE, DEGRADED, or NOT_READY when no leader is known."""
    settings, secrets = open_stack(stack)
    with Estate(settings, secrets) as estate:
        health = judge(settings, ask_all(estate))
    if as_json:
        print(json.dumps({"health": health.word, **asdict(health)}, indent=2))
    else:
        _show(health)
    return EXITS[health.word]


def ask_all(estate: Estate, within: float = WITHIN) -> Answers:
    """Ask every member of the stack at once; what is not answered `within` so many seconds is Silence."""
    settings = estate.settings
    lease = Lease(Etcd(estate), settings.stack)
    questions: dict[tuple[str, str], Callable[[], Any]] = {("lease", ""): lease.holder}
    for place in settings.places:
        questions["members", place.name] = partial(estate.place(place).ask, docker.state(*members(settings, place)))
        questions["etcd", place.name] = partial(estate.member(place, "etcd").ask, etcd.status())
    for site in settings.sites:
        database, backup = estate.member(site, "db"), estate.member(site, "backup")
        info = pgbackrest.info(settings.cluster, settings.repository(site))
        questions["cluster", site.name] = partial(database.ask, patroni.cluster())
        questions["archiver", site.name] = partial(database.ask, postgres.archiver())
        questions["backups", site.name] = partial(backup.ask, info)
        questions["store", site.name] = partial(_find_bucket, estate, site)
    return gather(questions, within)


def _find_bucket(estate: Estate, site: Site) -> None:
    """Open the store in the thread that asks: the client takes half a second to load."""
    estate.store(site).ask(s3.exists(estate.settings.bucket(site)))


def _show(health: Health) -> None:
    console = Console(highlight=False)
    console.print(f"stack {health.stack}: [{COLOURS[health.word]}]{health.word}[/]")
    for place in health.places:
        console.print(f"{place.name} ({place.city}): {place.members}; etcd {place.etcd}", markup=False)
        if place.database:
            console.print(f"  database {place.database}; archiving {place.archive}", markup=False)
            console.print(f"  store {place.store}; last backup {place.backup}", markup=False)
    holder = health.holder
    console.print(f"in sync: {'yes' if health.in_sync else 'no'}")
    console.print(
        f"lease: {f'{holder.owner} since {holder.since}: {holder.reason}' if holder else 'free'}", markup=False
    )
    for problem in health.problems:
        console.print(f"- {problem}", markup=False, soft_wrap=True)
