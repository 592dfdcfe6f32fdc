"""How an estate comes back by itself: another leader takes payments, and the struck site follows it again."""

from __future__ import annotations

import time

from infra.settings import Site, container
from runbooks.core.errors import CommandFailed, NotVerified
from runbooks.core.leader import WRITES
from runbooks.core.run import Run
from runbooks.parts import aim, both_sides, fault, paying
from runbooks.parts.movable import not_well
from runbooks.parts.repositories import cluster


def who_leads(run: Run) -> None:
    """A precheck: note who leads, on which timeline, and who would take over."""
    leading = cluster(run.estate).leader
    names = {container(run.settings, site, "db"): site for site in run.settings.sites}
    site = names[leading.name]
    other = next(each for each in run.settings.sites if each != site)
    for note in ("struck", "source", "led"):
        run.remember(note, site.name)
    run.remember("target", other.name)
    run.remember("timeline", f"{leading.timeline:08X}")
    run.remember("server", fault.server(run, site))


def is_well(run: Run) -> list[str]:
    """Return what is not well with the estate, given who leads now."""
    leading = cluster(run.estate).leader.name
    for site in run.settings.sites:
        run.remember("source" if container(run.settings, site, "db") == leading else "target", site.name)
    return not_well(run)


def has_recovered(run: Run) -> bool:
    """Say whether there is a leader again and payments go on at each gateway that the fault has spared.

    With `durability: strict` a leader is all that there can be: payments go on when the other site is back. A run that
    goes on after its runner's death waits for nothing: what it has struck is to be lifted at once.
    """
    if run.resumed or run.recall("recovered"):
        return True
    if (site := _leader_since(run)) is None:
        raise NotVerified("no database has taken writes since")
    if run.recall("leads") != site.name:
        run.remember("leads", site.name)
        run.figures["leader_seconds"] = round(time.time() - run.recall("struck_at"), 1)
        run.remember("paid_before", dict(paying.paid(run)))
    if run.settings.database.durability == "strict" and site != aim.struck(run):
        run.remember("recovered", True)
        return True
    before, now = run.recall("paid_before"), paying.paid(run)
    for gateway in gateways(run):
        if now[gateway] <= before.get(gateway, 0):
            raise NotVerified(f"{site.name} leads, and no payment is acknowledged at {gateway} yet")
    run.figures.setdefault("recovered_seconds", round(time.time() - run.recall("struck_at"), 1))
    if both_sides.asked(run) and site != aim.struck(run) and not both_sides.has_seen(run):
        return False
    run.remember("recovered", True)
    return True


def gateways(run: Run) -> list[str]:
    """Return the gateways that can take payments while the fault lasts: both, or the other site's alone."""
    both = [site.name for site in run.settings.sites]
    return both if aim.kind(run) in ("process", "leader") else [aim.spared(run).name]


def has_rejoined(run: Run) -> bool:
    """Say whether the site is back by itself, in sync, and the leader could be moved to it."""
    if run.recall("rejoined"):
        return True
    if not fault.all_run(run):
        raise NotVerified(f"not every container of {aim.struck(run).name} runs: ./inv up starts what is stopped")
    if not cluster(run.estate).in_sync:
        raise NotVerified("no standby is in sync yet")
    if troubles := is_well(run):
        raise NotVerified("\n".join(troubles))
    if since := run.recall("lifted_at") or run.recall("struck_at"):  # of a process that was killed nothing is lifted
        run.figures["rejoined_seconds"] = round(time.time() - since, 1)
    run.figures["to"] = run.recall("source")
    run.remember("rejoined", True)
    return True


def _leader_since(run: Run) -> Site | None:
    """Return the site whose database takes writes since the fault: the old leader too, once it was started anew."""
    if _writes(run, aim.spared(run)):
        return aim.spared(run)
    same = aim.kind(run) != "process" or fault.server(run, aim.struck(run)) in ("", str(run.recall("server")))
    return None if same or not _writes(run, aim.struck(run)) else aim.struck(run)


def _writes(run: Run, site: Site) -> bool:
    try:
        return bool(run.estate.member(site, "db").ask(WRITES))
    except CommandFailed:
        return False
