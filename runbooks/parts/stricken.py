"""A stricken estate: who still answers, and who decides."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from infra.settings import Place, Site, container
from runbooks.adapters import docker, etcd, positions
from runbooks.core.errors import CommandFailed, NotReady
from runbooks.core.gather import Silence, gather
from runbooks.core.run import Run
from runbooks.parts.movable import target
from runbooks.parts.point import say
from runbooks.parts.repositories import cluster

WITHIN = 20.0  # seconds for all answers
DECIDED = "there is a quorum again, so Patroni decides by itself: ./inv status"
ELECTION = 5.0  # seconds that voters who answer are given to agree on one of them


def other(run: Run) -> Site:
    """Return the site that is not to lead."""
    return next(site for site in run.settings.sites if site != target(run))


def others(run: Run) -> list[Place]:
    """Return the places that are given up: the other site, and the witness."""
    return [place for place in run.settings.places if place.name != target(run).name]


def alone(run: Run) -> bool:
    """Say whether there was no quorum when the run began."""
    return bool(run.recall("alone"))


def sworn(run: Run) -> list[str]:
    """Return the places of which the operator has said that they are off and stay so."""
    return [name for name in run.arguments.get("fenced", "").split(",") if name]


def warning(run: Run) -> str:
    """Return what the operator has to make sure of where nothing of the old majority can be fenced."""
    gone, old = " and ".join(sworn(run)), " and ".join(place.name for place in others(run))
    return (
        f"MAKE SURE that {gone} stays switched off until ./inv rejoin. Your word is all that keeps {old} from deciding "
        f"for {other(run).name}: should both come back, reach each other, and not {target(run).name}, two sites lead"
    )


def voters(run: Run) -> dict[str, Any]:
    """Ask each place's voter how it stands; a Silence for one that does not answer."""
    questions = {
        place.name: partial(run.estate.member(place, "etcd").ask, etcd.status()) for place in run.settings.places
    }
    return gather(questions, WITHIN)


def quorum(seen: dict[str, Any]) -> bool:
    """Say whether one of them knows a leader."""
    return any(not isinstance(said, Silence) and said.has_leader for said in seen.values())


# -- prechecks


def the_target_can_lead(run: Run) -> None:
    """There must be a database at the target, and it must not lead."""
    here, host = target(run).name, run.estate.member(target(run), "db")
    try:
        seen = host.ask(positions.ask_position())
    except CommandFailed as failure:
        raise NotReady(
            f"{here} has no database that answers, so nothing can lead there. If it is stopped: docker start "
            f"{host.name}. Where its data is gone ./inv restore, or ./inv bootstrap, is what is left\n{failure}"
        ) from failure
    if not seen.standby:
        raise NotReady(f"{here} leads already: there is nothing to fail over")
    run.remember("site", here)  # what `fence` asks for
    run.remember("doors", [here])


def something_is_lost(run: Run) -> None:
    """See who decides: a quorum, or nobody. NotReady where a leader stands that commits: a switchover moves that."""
    seen = voters(run)
    until = time.monotonic() + ELECTION
    while not quorum(seen) and _answering(seen) > 1 and time.monotonic() < until:
        time.sleep(0.5)
        seen = voters(run)
    for place in run.settings.places:
        said = seen[place.name]
        word = "is silent" if isinstance(said, Silence) else "has a quorum" if said.has_leader else "has no quorum"
        say(run, f"{place.name}: its etcd {word}")
    run.remember("alone", not quorum(seen))
    if alone(run):
        if isinstance(silence := seen[target(run).name], Silence):
            name = container(run.settings, target(run), "etcd")
            raise NotReady(f"{name} is to decide alone, and does not answer: docker start {name}\n{silence.why}")
    elif why := _sick(run):
        say(run, f"{other(run).name} is sick: {why}")
    else:
        raise NotReady(
            f"nothing is lost: a quorum stands, and {other(run).name} leads and commits. To move the leader: ./inv "
            f"switchover --to {target(run).name} (where Patroni is paused, let it go on first)"
        )


def the_others_cannot_decide(run: Run) -> None:
    """Without a quorum, of the two places given up one vote must be out of reach of the other, or both might return.

    One is, where its engine answers, as its data is then set aside; or by the operator's word.
    """
    names = [place.name for place in others(run)]
    if strange := [name for name in sworn(run) if name not in names]:
        raise NotReady(f"--fenced {','.join(strange)}: the places that are given up are {' and '.join(names)}")
    reached = [place.name for place in others(run) if _engine_answers(run, place)]
    run.remember("reached", reached)
    for name in (name for name in names if name not in reached):
        say(run, f"{name}: its engine does not answer, so nothing there can be fenced from here")
    if not alone(run) or reached:
        return
    if not sworn(run):
        raise NotReady(
            f"neither {' nor '.join(names)} answers. Should both come back, reach each other, and not "
            f"{target(run).name}, they are the old majority, and {other(run).name} takes payments beside "
            f"{target(run).name}. Switch one of them off, or pull its cables, so that it stays away until ./inv rejoin "
            f"has emptied it, and say which: --fenced {names[0]} or --fenced {names[1]}; nothing was changed"
        )
    say(run, warning(run))


def _answering(seen: dict[str, Any]) -> int:
    return sum(not isinstance(said, Silence) for said in seen.values())


def _sick(run: Run) -> str:
    """Return why the other site does not lead as it should, "" where it does."""
    try:
        leader = cluster(run.estate).leader.name
        if leader != container(run.settings, other(run), "db"):
            return f"{leader} is named as the leader, and does not lead"
        run.estate.member(other(run), "db").ask(positions.commits())
    except (CommandFailed, NotReady) as failure:
        return str(failure).splitlines()[0]
    return ""


def _engine_answers(run: Run, place: Place) -> bool:
    name = container(run.settings, place, "etcd")
    try:
        return name in run.estate.place(place).ask(docker.state(name))
    except CommandFailed:
        return False
