"""The quorum that the leader trusts, and what a place that comes back is in it."""

from __future__ import annotations

from infra.settings import Place, address, container
from runbooks.adapters import voters
from runbooks.adapters.voters import Quorum, Voter
from runbooks.core.errors import CommandFailed, NotReady
from runbooks.core.host import Host
from runbooks.core.run import Run
from runbooks.parts.point import say


def here(run: Run) -> Place:
    """Return the place that comes back."""
    return next(place for place in run.settings.places if place.name == run.arguments["place"])


def seen(run: Run) -> Quorum:
    """Return the quorum that the leader trusts: that of the leader's site, whoever else calls himself one."""
    return keeper(run).ask(voters.members())


def mine(run: Run) -> Voter | None:
    """Return how the quorum lists this place, None where it does not."""
    return seen(run).at(peer(run, here(run)))


def votes(run: Run) -> bool:
    """Say whether the place's etcd is a voter of that quorum, and knows its leader."""
    quorum = seen(run)
    listed = quorum.at(peer(run, here(run)))
    if listed is None or listed.learner or not listed.name:
        return False
    itself = own(run).ask(voters.standing())
    return (itself.cluster, itself.id, itself.has_leader) == (quorum.cluster, listed.id, True)


# -- prechecks, and what is said at the end


def the_quorum_stands(run: Run) -> None:
    """Raise NotReady unless the etcd at the leader's site has a majority behind it."""
    try:
        seen(run)
    except CommandFailed as failure:
        raise NotReady(
            f"the etcd of {run.recall('led')} has no majority behind it, so nothing can come back to it. If the other "
            f"places are lost for good: ./inv failover --to {run.recall('led')}\n{failure}"
        ) from failure


def it_is_told(run: Run) -> None:
    """Say whether the quorum knows it."""
    quorum = seen(run)
    listed = quorum.at(peer(run, here(run)))
    if listed is None:
        said = "is not of the leader's quorum: it would be emptied and added anew"
    elif listed.learner:
        said = "learns and does not vote: it would be emptied and added anew"
    else:
        said = f"is one of {len(quorum.voters)} that vote"
    say(run, f"{name(run)} {said}")


def count(run: Run) -> None:
    """Note how many vote; two are no more than one, as both are needed."""
    quorum = seen(run)
    run.figures["voters"] = len(quorum.voters)
    lacking = [p for p in run.settings.places if quorum.at(peer(run, p)) not in quorum.voters]
    if lacking:
        names = " and ".join(place.name for place in lacking)
        run.degraded(
            f"etcd has {len(quorum.voters)} of {len(run.settings.places)} voters, and none at {names}: the loss of one "
            f"more would stop the leader. ./inv rejoin {lacking[0].name}"
        )


# -- where it is


def keeper(run: Run) -> Host:
    """Return the etcd of the site that leads."""
    return run.estate.member(run.settings.site(run.recall("led")), "etcd")


def own(run: Run) -> Host:
    """Return the place's etcd."""
    return run.estate.member(here(run), "etcd")


def name(run: Run) -> str:
    """Return the name of the place's etcd."""
    return container(run.settings, here(run), "etcd")


def peer(run: Run, place: Place) -> str:
    """Return the URL under which the other places reach a place's voter, as it is declared to it."""
    asker = next(other for other in run.settings.places if other.name != place.name)
    return f"https://{address(run.settings, asker, place, 'etcd_peer')}"
