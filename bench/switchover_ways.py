"""The ways in which bench/switchover.py moves the leader: ours, Patroni's own command, and by hand."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from infra.settings import Site, container
from runbooks.adapters import gate, postgres, replay
from runbooks.core.command import Command
from runbooks.core.customers import Customers
from runbooks.core.errors import CommandFailed, NotReady, NotVerified
from runbooks.core.host import Estate, Host
from runbooks.core.leader import leader
from runbooks.parts.repositories import cluster
from runbooks.switchover import switchover

SETTLED = 180.0  # seconds after which a stack that does not come back into sync is given up
CTL = ("patronictl", "-c", "/config/patroni.yml")


@dataclass(frozen=True)
class Way:
    """One way to move the leader from a site to the other. `move` returns the seconds of each step."""

    name: str
    move: Callable[[Site, Site], dict[str, float]]
    commands: tuple[str, ...]


class Ways:
    """What moves the leader of one stack."""

    def __init__(self, estate: Estate) -> None:
        """Nothing is moved yet."""
        self.estate, self.settings = estate, estate.settings

    def all(self) -> tuple[Way, ...]:
        """Return ours first, by hand last."""
        return (
            Way("inv switchover", self._ours, ("./inv switchover --to SITE --yes",)),
            Way(
                "patronictl switchover",
                self._patronictl,
                ("patronictl switchover --leader LEADER --candidate STANDBY --force",),
            ),
            Way(
                "stop and promote by hand",
                self._by_hand,
                (
                    "patronictl pause --wait",
                    "psql -c CHECKPOINT",
                    "pg_ctl stop --mode=fast                       # on the leader",
                    "psql -c 'SELECT pg_last_wal_replay_lsn()'     # on the standby, until it has all",
                    "psql -c 'SELECT pg_promote()'                 # on the standby",
                    "patronictl resume --wait",
                ),
            ),
        )

    def ends(self) -> tuple[Site, Site]:
        """Return the site that leads, and the one that stands by."""
        leading = leader(self.estate).name
        sites = self.settings.sites
        return tuple(sorted(sites, key=lambda site: container(self.settings, site, "db") != leading))  # type: ignore[return-value]

    def settle(self) -> None:
        """Wait until one site leads, the other is in sync, and both poolers pass payments on."""
        self._until(self._is_settled, SETTLED, "the stack is in sync")

    def wait_for_payments(self, probe: Customers) -> None:
        """Wait until customers pay."""
        file = Path(probe.order.acknowledged)
        self._until(lambda: file.exists() and file.stat().st_size > 0, 30, "customers pay")

    def _is_settled(self) -> bool:
        try:
            seen = [self.estate.member(site, "pooler").ask(gate.look()) for site in self.settings.sites]
            return cluster(self.estate).in_sync and not any(each.paused or each.trouble for each in seen)
        except (CommandFailed, NotReady):
            return False

    def _until(self, holds: Callable[[], bool], within: float, what: str) -> None:
        deadline = time.monotonic() + within
        while not holds():
            if time.monotonic() > deadline:
                raise NotVerified(f"not within {within:g} s: {what}")
            time.sleep(0.2)

    def _ours(self, _: Site, target: Site) -> dict[str, float]:
        return timed({"all": lambda: switchover(self.settings.stack, to=target.name, yes=True)})

    def _patronictl(self, source: Site, target: Site) -> dict[str, float]:
        names = (container(self.settings, site, "db") for site in (source, target))
        leading, candidate = names
        argv = (*CTL, "switchover", "--leader", leading, "--candidate", candidate, "--force")
        return timed({"move": partial(_run, self._database(source), argv), "sync": self.settle})

    def _by_hand(self, source: Site, target: Site) -> dict[str, float]:
        old, new = self._database(source), self._database(target)
        stop = ("pg_ctl", "stop", "--mode=fast", "--pgdata", self.settings.database.path)
        return timed(
            {
                "pause Patroni": partial(_run, new, (*CTL, "pause", "--wait")),
                "checkpoint": partial(old.do, postgres.checkpoint()),
                "stop the leader": partial(_run, old, stop),
                "see that the standby has all": partial(self._has_all, old, new),
                "promote the standby": partial(_run, new, (*postgres.PSQL, "SELECT pg_promote()")),
                "let Patroni go on": partial(_run, new, (*CTL, "resume", "--wait")),
                "sync": self.settle,
            }
        )

    def _has_all(self, old: Host, new: Host) -> None:
        """Compare the leader's last checkpoint, which it wrote when it stopped, with what the standby has replayed."""
        script = 'pg_controldata "$0" | sed -n "s/^Latest checkpoint location: *//p"'
        last = old.ask(Command(argv=("sh", "-c", script, self.settings.database.path), parse=str.strip))
        self._until(lambda: new.ask(replay.reached(last)), 60, "the standby has replayed the leader's last checkpoint")

    def _database(self, site: Site) -> Host:
        return self.estate.member(site, "db")


def timed(steps: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Take the steps in turn, and return the seconds of each."""
    taken = {}
    for title, act in steps.items():
        begun = time.monotonic()
        act()
        taken[title] = time.monotonic() - begun
    return taken


def _run(host: Host, argv: tuple[str, ...]) -> None:
    host.do(Command(argv=argv, within=90))
