"""Archiving while one site's store is down: the other site's goes on, and what waited is made good afterwards."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field

import pytest

from infra.sections import MiB
from infra.settings import Site
from runbooks.adapters import postgres
from runbooks.adapters.postgres import SEGMENT_BYTES, Archiver
from runbooks.core.errors import Exit
from runbooks.core.host import Estate
from runbooks.parts.repositories import cluster
from tests.drills.stack import COPIES, Stack, until

pytestmark = pytest.mark.drill

RATE = 100  # payments a second
LAG = 60  # seconds that the other site's archive may be behind
EVERY = 2  # seconds between two looks
KEPT = (2048 + 256) * MiB  # max_wal_size and wal_keep_size of the database's template: what pg_wal may hold in any case
CAUGHT_UP = 180  # seconds after the store's return


@dataclass
class Seen:
    """The worst that was seen of one site's archiver."""

    lag_seconds: float = 0
    waiting: int = 0
    wal_mib: float = 0
    archived: set[str] = field(default_factory=set)

    def add(self, now: Archiver) -> None:
        """Take one look into account; what is kept beyond KEPT must be what waits to be archived."""
        assert now.wal_bytes <= KEPT + now.waiting * SEGMENT_BYTES
        self.lag_seconds = max(self.lag_seconds, round(now.lag_seconds, 1))
        self.waiting = max(self.waiting, now.waiting)
        self.wal_mib = max(self.wal_mib, now.wal_bytes / MiB)
        self.archived.add(now.last_archived)

    def figures(self) -> dict[str, float]:
        """Return what is worth writing down."""
        return {"lag_seconds": self.lag_seconds, "waiting": self.waiting, "pg_wal_mib": self.wal_mib}


def ask(estate: Estate, site: Site) -> Archiver:
    """Ask how the archiver of `site` stands."""
    return estate.member(site, "db").ask(postgres.archiver())


def written(seen: Seen) -> int:
    """Return how many segments went into the archive from the first look to the last."""
    return len(postgres.between(min(seen.archived), max(seen.archived))) - 1


@pytest.mark.parametrize("seconds", [60, pytest.param(1800, marks=pytest.mark.full)])
def test_a_store_down_under_payments(stack: Stack, seconds: int) -> None:
    """The leader's own store is down, so pg_wal grows where the payments are made.

    The other site archives on; afterwards all that waited is archived, and neither repository has a gap.
    """
    estate, leader = stack.estate, cluster(stack.estate).leader.name
    down, up = sorted(estate.settings.sites, key=lambda site: stack.container(site.name, "db") != leader)
    stack.inv("seed", "--loans", str(RATE * seconds // 4), within=300)  # with some six unpaid instalments each
    stack.inv(*COPIES, within=300)
    seen = {site.name: Seen() for site in (down, up)}

    with stack.stopped(down.name, "store"):
        customers = stack.begin("pay", "--rate", str(RATE), "--seconds", str(seconds), "--json")
        while customers.poll() is None:
            for site in (down, up):
                seen[site.name].add(ask(estate, site))
            time.sleep(EVERY)
    said, _ = customers.communicate()
    started = time.monotonic()
    until(lambda: all(ask(estate, site).lag_seconds < 1 for site in (down, up)), CAUGHT_UP, "both archives are level")
    took = time.monotonic() - started

    figures = {site.name: seen[site.name].figures() for site in (down, up)}
    paid = json.loads(said)
    print(json.dumps({"down": down.name, "seconds": seconds, "segments": written(seen[up.name]), "caught_up": took}))
    print(json.dumps(figures), json.dumps(paid), sep="\n")
    assert customers.returncode in (Exit.DONE, Exit.DEGRADED), said
    assert paid["figures"]["acknowledged"] >= 0.95 * RATE * seconds
    assert paid["audit"]["lost"] == 0
    assert seen[up.name].lag_seconds < LAG, figures
    assert seen[down.name].waiting >= written(seen[up.name]) >= seconds // 60, figures

    stack.inv(*COPIES, within=600)
    verified = stack.inv("backup.verify", within=900)
    assert verified.count("no gap") == len(seen), verified
