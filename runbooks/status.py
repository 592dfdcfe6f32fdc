"""How the stack stands, within three seconds, also when a site is silent. Looks, and changes nothing.

Measured: what takes the time is the CPU of the machine that asks, and of each program started in a container. So
nothing is loaded that can be spared, and everything is asked at once, until a time counted from the process's start.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from infra.settings import ROOT, address
from runbooks.adapters import ceph, docker, etcd, gate, patroni, pgbackrest, postgres, service
from runbooks.core.age import age
from runbooks.core.errors import Exit
from runbooks.core.gather import gather
from runbooks.core.host import Estate
from runbooks.core.lease import Lease
from runbooks.core.ledger import Ledger, Record
from runbooks.core.quorum import Etcd
from runbooks.core.session import open_stack
from runbooks.core.signals import Interrupted, interruptible
from runbooks.core.store import knock
from runbooks.health import Answers, Health, judge, members

STARTING = age()  # seconds that it took to come so far, far more of them on a busy machine
WITHIN = 2.6  # seconds from the command's start to the last answer; the rest of the three is printing and ending
AT_LEAST = 1.0  # seconds to answer in, whatever the start took
PAUSE = 1.0  # seconds between two looks of --watch
RUNS = 3  # of the last ones, so many are shown
EXITS = {
    "healthy": Exit.DONE,
    "degraded": Exit.DEGRADED,
    "not serving": Exit.NOT_READY,
    "not known": Exit.NOT_READY,
}
COLOURS = {"healthy": "green", "degraded": "yellow", "not serving": "red", "not known": "red"}


def status(stack: str, as_json: bool, watch: bool = False) -> Exit:
    """Print how the stack stands. Returns DONE, DEGRADED, or NOT_READY when no leader is known.

    `watch`: again and again, on one screen, until Ctrl-C.
    """
    until = time.monotonic() + max(AT_LEAST, WITHIN - STARTING)
    settings, secrets = open_stack(stack)
    with Estate(settings, secrets) as estate:
        health = judge(settings, ask_all(estate, until))
        if watch:
            health = _watch(estate, health)
    if as_json:
        print(json.dumps({"health": health.word, **asdict(health)}, indent=2))
    elif not watch:
        Console(highlight=False).print(_screen(health, _last_runs(settings.stack)), soft_wrap=True)
    return EXITS[health.word]


def _watch(estate: Estate, health: Health) -> Health:
    """Show how the stack stands, anew as often as it can be asked; return what was seen last."""
    stack = estate.settings.stack
    with interruptible(), contextlib.suppress(Interrupted), Live(screen=True, auto_refresh=False) as live:
        while True:
            seen = f"{datetime.now(UTC):%H:%M:%S} UTC, Ctrl-C ends"
            live.update(Group(_screen(health, _last_runs(stack)), Text(seen, style="dim")), refresh=True)
            time.sleep(PAUSE)
            health = judge(estate.settings, ask_all(estate, time.monotonic() + WITHIN))
    return health


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
        api, gateway = estate.member(site, "api"), address(settings, site, site, "gateway")
        questions["gateway", site.name] = partial(api.ask, service.ready(f"http://{gateway}"))
        questions["passage", site.name] = partial(estate.member(site, "pooler").ask, gate.look())
        questions["disk", site.name] = partial(database.ask, docker.free(docker.DATA))
        questions["backups", site.name] = partial(backup.ask, info)
        questions["store", site.name] = partial(knock, settings, site, estate.secrets.ca)
        if not site.s3_endpoint:
            questions["room", site.name] = partial(estate.member(site, "store").ask, ceph.room())
    return gather(questions, until - time.monotonic())


def _screen(health: Health, runs: Sequence[Record]) -> Text:
    """Return one screen: the whole in a word, each place, the lease, the last runs, and each problem."""
    lines = [Text.assemble(f"stack {health.stack}: ", (health.word, COLOURS[health.word]))]
    for place in health.places:
        lines.append(Text(f"{place.name} ({place.city}): {place.members}; etcd {place.etcd}"))
        if place.database:
            lines.append(Text(f"  database {place.database}; archiving {place.archive}"))
            lines.append(Text(f"  {place.payments}"))
            room = f", {place.room}" if place.room else ""
            lines.append(Text(f"  store {place.store}{room}; last backup {place.backup}"))
    lines.append(Text(f"in sync: {'yes' if health.in_sync else 'no'}"))
    lines.append(Text(f"lease: {_lease(health)}"))
    lines += [Text(f"last: {run.id} {run.outcome} in {run.seconds:.1f} s") for run in runs]
    lines += [Text(f"- {problem}") for problem in health.problems]
    return Text("\n").join(lines)


def _last_runs(stack: str) -> Sequence[Record]:
    """Return the newest runs that this machine knows of."""
    return Ledger(ROOT, stack).newest(RUNS)


def _lease(health: Health) -> str:
    if health.holder:
        return f"{health.holder.owner} since {health.holder.since}: {health.holder.reason}"
    return "free" if health.lease_known else "not known"
