"""A place's voter in the leader's quorum: it comes back by itself, or an empty one that learns first replaces it."""

from __future__ import annotations

import contextlib
import time

from infra.settings import Site, container
from runbooks.adapters import docker, voters
from runbooks.core.errors import CommandFailed, NotVerified
from runbooks.core.run import Run
from runbooks.parts import comeback
from runbooks.parts.known import here, keeper, mine, name, own, peer, seen, votes
from runbooks.parts.point import say

COMES_BACK = 20.0  # seconds for a voter that was only stopped; on a busy machine it took 4
LOOK = 0.5  # seconds between two tries
LEARNED = 60.0  # seconds for a learner to have the log; etcd's is of megabytes
IN_TIME = "in sync with leader"  # how etcd refuses to let a learner vote that lacks too much


def await_it(run: Run) -> None:
    """Start it as it is and give it a moment, where the quorum knows it: one that it does not know stays as it is."""
    if run.planning:
        run.estate.place(here(run)).do(docker.start(name(run)))
        return
    listed = mine(run)
    stays = False
    if listed and listed.name and not listed.learner:
        run.estate.place(here(run)).do(docker.start(name(run)))
        stays = _comes_back(run)
        if not stays:
            say(run, f"{name(run)} does not come back by itself: it is replaced")
    else:
        say(run, f"{name(run)} is not of the leader's quorum: it is emptied, and added anew")
    run.remember("left_behind", listed is None)
    run.remember("voter", "stays" if stays else "replaced")
    run.figures["voter"] = run.recall("voter")


def _comes_back(run: Run) -> bool:
    until = time.monotonic() + COMES_BACK
    while time.monotonic() < until:
        with contextlib.suppress(CommandFailed):  # it has only begun to start
            if votes(run):
                return True
        if said := run.estate.place(here(run)).ask(voters.refused(name(run))):
            say(run, f"{name(run)}: {said}")
            return False
        time.sleep(LOOK)
    return False


def is_known(run: Run) -> bool:
    """Say whether it is decided, or nothing is to be decided."""
    if not run.recall("voter") and votes(run):
        run.remember("voter", "stays")
        run.figures["voter"] = "stays"
    return bool(run.recall("voter"))


def end_old(run: Run) -> None:
    """Stop it, take away its data. A database left behind with it is stopped before: it may still lead there."""
    engine = run.estate.place(here(run))
    if isinstance(here(run), Site) and (run.planning or run.recall("left_behind")):
        engine.do(docker.stop(container(run.settings, here(run), "db")))
        if run.recall("two_lead"):
            comeback.keep_what_it_wrote(run)
    engine.do(docker.stop(name(run)))
    if run.planning:
        keeper(run).do(voters.remove("MEMBER"))
    elif listed := mine(run):
        keeper(run).do(voters.remove(listed.id))
    engine.do(voters.empty(name(run)))
    run.remember("emptied", True)


def is_ended(run: Run) -> bool:
    """Say whether the old one is gone, or stays."""
    return run.recall("voter") == "stays" or bool(run.recall("emptied"))


def learn(run: Run) -> None:
    """Add an empty member that learns, tell it whom it joins, and start it."""
    if run.planning or mine(run) is None:
        keeper(run).do(voters.add(name(run), peer(run, here(run))))
    others = {each.name: each.peer for each in seen(run).members if each.name}
    engine = run.estate.place(here(run))
    engine.do(docker.stop(name(run)))  # as an engine that was started meanwhile may have started it
    engine.do(voters.join(name(run), {**others, name(run): peer(run, here(run))}))
    engine.do(docker.start(name(run)))


def learns(run: Run) -> bool:
    """Say whether it is of the leader's quorum, learning or voting already."""
    if run.recall("voter") == "stays":
        return True
    listed = mine(run)
    if listed is None or not listed.name:
        return False
    itself = own(run).ask(voters.standing())
    return (itself.cluster, itself.id) == (seen(run).cluster, listed.id)


def unlearn(run: Run) -> None:
    """Take a learner off the list: there may be only one, and one that is not there keeps others from being added.

    One that votes already does so on.
    """
    if (listed := mine(run)) and listed.learner:
        keeper(run).do(voters.remove(listed.id))
        run.estate.place(here(run)).do(docker.stop(name(run)))
    run.estate.place(here(run)).do(voters.settle(name(run)))


def let_vote(run: Run) -> None:
    """Put its settings back as they are declared, and let it vote as soon as it has the log."""
    run.estate.place(here(run)).do(voters.settle(name(run)))
    if run.planning:
        keeper(run).do(voters.promote("MEMBER"))
        return
    until = time.monotonic() + LEARNED
    while not _promoted(run):
        if time.monotonic() > until:
            raise NotVerified(f"{name(run)} lacks too much of etcd's log to vote, {LEARNED:.0f} s after it was started")
        time.sleep(LOOK)


def _promoted(run: Run) -> bool:
    listed = mine(run)
    if listed is None:
        raise NotVerified(f"{name(run)} is not on the list of members any more")
    if not listed.learner:
        return True
    try:
        keeper(run).do(voters.promote(listed.id))
    except CommandFailed as failure:
        if IN_TIME in failure.stderr:
            return False
        raise
    return True
