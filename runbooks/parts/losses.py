"""What may be lost if the site that is left takes over: what it has, against what was last known of the leader."""

from __future__ import annotations

from infra.settings import Site, container
from runbooks.adapters import positions, reformed
from runbooks.adapters.positions import Position
from runbooks.adapters.reformed import LastKnown
from runbooks.core.errors import CommandFailed
from runbooks.core.run import Run
from runbooks.parts.movable import target
from runbooks.parts.point import say
from runbooks.parts.stricken import alone, other, others


def what_may_be_lost_is_said(run: Run) -> None:
    """Compare what the target has with what was last known of the leader, and say it."""
    here = run.estate.member(target(run), "db").ask(positions.ask_position())
    known, there = _last_known(run), _position(run, other(run))
    name, leader = container(run.settings, target(run), "db"), known.leader or known.sync_leader
    behind = 0 if leader == name else max(0, max(there.bytes if there else 0, known.position) - here.bytes)
    in_sync = leader == name or (name in known.synchronous and known.sync_leader == leader != "")
    run.figures |= {
        "from": other(run).name,
        "to": target(run).name,
        "quorum": not alone(run),
        "in_sync": in_sync,
        "holds": here.holds,
        "replayed": here.replayed,
        "last_commit": here.last_commit,
        "behind_bytes": behind,
        "may_be_lost": not in_sync,
    }
    site, when = target(run).name, here.last_commit or "an unknown moment"
    source = f"by the word of {other(run).name}" if there and there.bytes >= known.position else "by what etcd was told"
    further = f"{behind} bytes further" if behind else "no further"
    say(run, f"{site} has the log up to {here.holds}, and its newest commit is of {when}")
    say(run, f"the leader's goes {further}, {source}")
    if leader == name:
        say(run, f"{site} led itself: it has all that was acknowledged")
    elif in_sync:
        say(run, f"{site} was in sync: what was acknowledged is there, unless it was cut off before the rest was lost")
    else:
        say(run, f"{site} WAS NOT IN SYNC: what was acknowledged after {when} may be lost")
    if left := _unfinished(run):
        say(run, f"run {left} was left unfinished, and is forgotten: what it was about is over")


def _last_known(run: Run) -> LastKnown:
    """Return what the target's voter has; with a quorum any voter's will do."""
    for place in (target(run), *others(run)):
        try:
            return run.estate.member(place, "etcd").ask(reformed.last_known(run.settings.cluster))
        except CommandFailed:
            continue
    return LastKnown()


def _position(run: Run, site: Site) -> Position | None:
    try:
        return run.estate.member(site, "db").ask(positions.ask_position())
    except CommandFailed:
        return None


def _unfinished(run: Run) -> str:
    """Return the run whose head the target's voter has, where it is to decide alone."""
    if not alone(run):
        return ""
    return run.estate.member(target(run), "etcd").ask(reformed.head(run.settings.stack))
