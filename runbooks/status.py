"""How the stack stands, within three seconds, also when a site is silent. Looks, and changes nothing.

Measured: what takes the time is the CPU of the machine that asks, and of each program started in a container. So
nothing is loaded that can be spared, and everything is asked at once, until a time counted from the process's start.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

from rich.console import Console

from runbooks.adapters import docker, etcd, patroni, pgbackrest, postgres
from runbooks.core.age import age
from runbooks.core.errors import Exit
from runbooks.core.gather import gather
from runbooks.core.host import Estate
from runbooks.core.lease import Lease
from runbooks.core.quorum import Etcd
from runbooks.core.session import open_stack
from runbooks.core.store import knock
from runbooks.health import Answers, Health, judge, members

STARTING = age()  # seconds that it took to come so far, far more of them on a busy machine
WITHIN = 2.6  # seconds from the command's start to the last answer; the rest of the three is printing and ending
AT_LEAST = 1.0  # seconds to answer in, whatever the start took
EXITS = {
    "healthy": Exit.DONE,
    "degraded": Exit.DEGRADED,
    "not serving": Exit.NOT_READY,
    "not known": Exit.NOT_READY,
}
COLOURS = {"healthy": "green", "degraded": "yellow", "not serving": "red", "not known": "red"}


def status(stack: str, as_json: bool) -> Exit:
    """Print how the stack stands. Returns DONE, DEGRADED, or NOT_READY when no leader is known."""
    until = time.monotonic() + max(AT_LEAST, WITHIN - STARTING)
    settings, secrets = open_stack(stack)
    with Estate(settings, secrets) as estate:
        health = judge(settings, ask_all(estate, until))
    if as_json:
        print(json.dumps({"health": health.word, **asdict(health)}, indent=2))
    else:
        _show(health)
    return EXITS[health.word]


def ask_all(estate: Estate, until: float) -> Answers:
    """Ask every member of the stack at once; what is not answered `until` then, on the monotonic clock, is Silence."""
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
        questions["disk", site.name] = partial(database.ask, docker.free(docker.DATA))
        questions["backups", site.name] = partial(backup.ask, info)
        questions["store", site.name] = partial(knock, settings, site, estate.secrets.ca)
    return gather(questions, until - time.monotonic())


def _show(health: Health) -> None:
    console = Console(highlight=False)
    console.print(f"stack {health.stack}: [{COLOURS[health.word]}]{health.word}[/]")
    for place in health.places:
        console.print(f"{place.name} ({place.city}): {place.members}; etcd {place.etcd}", markup=False)
        if place.database:
            console.print(f"  database {place.database}; archiving {place.archive}", markup=False)
            console.print(f"  store {place.store}; last backup {place.backup}", markup=False)
    console.print(f"in sync: {'yes' if health.in_sync else 'no'}")
    console.print(f"lease: {_lease(health)}", markup=False)
    for problem in health.problems:
        console.print(f"- {problem}", markup=False, soft_wrap=True)


def _lease(health: Health) -> str:
    if health.holder:
        return f"{health.holder.owner} since {health.holder.since}: {health.holder.reason}"
    return "free" if health.lease_known else "not known"
