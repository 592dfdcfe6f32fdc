"""The site that is left decides alone, its database leads, and payments go on there."""

from __future__ import annotations

import time
from contextlib import suppress

from infra.settings import address, container
from runbooks.adapters import docker, etcd, gate, patroni, recovery, reformed, service, timelines
from runbooks.core.errors import CommandFailed, NotVerified
from runbooks.core.host import Host
from runbooks.core.run import Run
from runbooks.parts import fence, old_side
from runbooks.parts.movable import target
from runbooks.parts.moving import takes_writes
from runbooks.parts.point import say
from runbooks.parts.repositories import archived, cluster
from runbooks.parts.stricken import DECIDED, alone, other, others, warning

ORDERED = 30.0  # seconds for Patroni to find its etcd and to take the order
PAUSE = 0.5


def part(run: Run) -> None:
    """Make the cluster of one in a copy of what the voter has, without what must not come back.

    NotVerified where there is a quorum again: somebody came back meanwhile, and then nobody need be removed.
    """
    with suppress(CommandFailed):  # a dead runner has stopped it already
        if run.estate.member(target(run), "etcd").ask(etcd.status()).has_leader:
            raise NotVerified(DECIDED)
    client = f"https://{address(run.settings, others(run)[0], target(run), 'etcd')}"
    forget = [f"/separuh/{run.settings.stack}/{key}" for key in ("lease", "head")]
    forget.append(f"/service/{run.settings.cluster}/failover")
    if old_side.database_is_fenced(run):  # else its Patroni may reach this etcd, and then it leads by right
        forget.append(f"/service/{run.settings.cluster}/leader")
    run.estate.place(target(run)).do(reformed.part(_voter(run), run.id, client, tuple(forget)))


def unpart(run: Run) -> None:
    """Let the voter go on as it was."""
    engine = run.estate.place(target(run))
    engine.do(reformed.unpart(_voter(run)))
    engine.do(docker.start(_voter(run)))


def decide_alone(run: Run) -> None:
    """Let the voter go on with that copy."""
    engine, peers = run.estate.place(target(run)), old_side.peers(run, target(run))
    engine.do(reformed.swap(_voter(run), run.id, old_side.token(run), peers))
    engine.do(docker.start(_voter(run)))


def decides_alone(run: Run) -> bool:
    """Say whether the voter is the only one and leads, and the database's Patroni has found it."""
    voter = run.estate.member(target(run), "etcd")
    if voter.ask(reformed.voters()) != (_voter(run),) or not voter.ask(etcd.status()).leads:
        return False
    _database(run).ask(patroni.cluster())
    return True


def lead(run: Run) -> None:
    """Have Patroni promote the database here. It may need a moment to find its etcd; its last word is the reason."""
    until = time.monotonic() + ORDERED
    while not takes_writes(run, target(run)):
        try:
            _database(run).do(patroni.failover(container(run.settings, target(run), "db")))
            return
        except CommandFailed:
            if time.monotonic() > until:
                raise
            time.sleep(PAUSE)


def leads(run: Run) -> bool:
    """The target takes writes, on which timeline is noted, and the other site does not."""
    if not takes_writes(run, target(run)):
        raise NotVerified(f"{_database(run).name} takes no writes yet")
    if takes_writes(run, other(run)):
        raise NotVerified(f"the database of {other(run).name} still takes writes")
    run.remember("new_timeline", _database(run).ask(recovery.timeline()))
    run.figures["timeline"] = run.recall("new_timeline")
    return True


def open_the_way(run: Run) -> None:
    """A pooler that a dead run left paused goes on."""
    run.estate.member(target(run), "pooler").do(gate.resume())


def the_way_is_open(run: Run) -> bool:
    """Say whether the site's gateway leads to a service that is ready, and its pooler and route to the leader."""
    site = target(run)
    seen = run.estate.member(site, "pooler").ask(gate.look())
    if seen.trouble:
        raise NotVerified(f"the route of {site.name} leads to no leader: {seen.trouble}")
    at = address(run.settings, site, site, "gateway")
    run.estate.member(site, "api").ask(service.ready(f"http://{at}"))
    return not seen.paused


def prove_the_way(run: Run) -> None:
    """Commit through the site's pooler and route."""
    fence.prove_path(run)


def archive(run: Run) -> None:
    """End the first segment of the new timeline, so that its history and it are archived now."""
    _database(run).do(recovery.commit_and_switch())


def is_archived(run: Run) -> bool:
    """Say whether the site's own repository has the new timeline's history."""
    keys = archived(run.estate, target(run))
    return run.recall("new_timeline") in map(timelines.archived, keys)


def say_what_is_left(run: Run) -> None:
    """Say what the estate is without now, and how it gets it back. Until then it is degraded."""
    here, there = target(run).name, other(run).name
    if run.planning:
        return
    seen = cluster(run.estate)
    if not seen.in_sync:
        run.degraded(
            f"{here} serves alone, and its loss now would lose payments: when {there} is back, ./inv rejoin {there}"
        )
    if run.settings.database.durability == "strict":
        run.degraded("durability is strict: nobody can pay before a standby is in sync")
    if seen.paused:
        run.degraded("Patroni is paused: nobody takes over from a leader that is lost")
    for name, why in run.recall("open", {}).items():
        run.degraded(f"{name} was not fenced: {why}")
    if not alone(run):
        return
    places = " and ".join(f"./inv rejoin {place.name}" for place in others(run))
    run.degraded(f"etcd at {here} decides alone, so without it nobody leads: {places}")
    if not old_side.votes(run):
        say(run, warning(run))


def _voter(run: Run) -> str:
    return container(run.settings, target(run), "etcd")


def _database(run: Run) -> Host:
    return run.estate.member(target(run), "db")
