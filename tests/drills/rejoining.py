"""The places that a failover gave up are given their votes back, by hand, and everything is started again."""

from __future__ import annotations

import secrets

from infra.settings import Place, Site, address, container
from runbooks.adapters import docker as engine
from runbooks.adapters import etcd, reformed, voters
from runbooks.core.command import Command
from runbooks.core.errors import CommandFailed
from tests.drills.moves import settled
from tests.drills.stack import Stack, docker, until


def made_whole(stack: Stack, left: str) -> None:
    """Have every place vote together with the site `left`, start what is stopped, and wait until all is in sync."""
    estate, settings = stack.estate, stack.estate.settings
    site = settings.site(left)
    for place in settings.places:
        if container(settings, place, "etcd") not in estate.member(site, "etcd").ask(reformed.voters()):
            _vote(stack, site, place)
    stopped = docker("ps", "--all", "--filter", f"label=separuh.stack={stack.name}", "--format", "{{.Names}}").split()
    docker("start", *(name for name in stopped if not name.endswith("-files")))
    settled(stack)
    until(lambda: _all_vote(stack), 60, "all three vote")


def _vote(stack: Stack, left: Site, place: Place) -> None:
    """Empty a voter, let it learn, and let it vote: added as a voter, a cluster of one would wait for it."""
    estate, name = stack.estate, container(stack.estate.settings, place, "etcd")
    voter = estate.member(left, "etcd")
    there = [each for each in estate.settings.places if _is_there(stack, left, each)]
    peers = {container(estate.settings, each, "etcd"): _url(stack, each) for each in (*there, place)}
    estate.place(place).do(reformed.bar(name, f"drill-{secrets.token_hex(4)}", "drill", peers))
    ids = list[str]()

    def added() -> bool:
        ids.extend(_tried(stack, left, voters.add(name, peers[name])).split()[1:2])
        return bool(ids)

    until(added, 60, f"{name} is added")
    estate.place(place).do(engine.start(name))
    until(lambda: bool(_tried(stack, left, voters.promote(ids[0]))), 60, f"{name} votes")
    assert name in voter.ask(reformed.voters())


def _tried(stack: Stack, left: Site, command: Command[str]) -> str:
    """Return what etcdctl says, "" where it is refused, as it is for some seconds after each change."""
    try:
        return stack.estate.member(left, "etcd").ask(command)
    except CommandFailed:
        return ""


def _is_there(stack: Stack, left: Site, place: Place) -> bool:
    return container(stack.estate.settings, place, "etcd") in stack.estate.member(left, "etcd").ask(reformed.voters())


def _url(stack: Stack, place: Place) -> str:
    settings = stack.estate.settings
    asker = next(each for each in settings.places if each.name != place.name)
    return f"https://{address(settings, asker, place, 'etcd_peer')}"


def _all_vote(stack: Stack) -> bool:
    try:
        seen = [stack.estate.member(place, "etcd").ask(etcd.status()) for place in stack.estate.settings.places]
    except CommandFailed:
        return False
    return all(each.has_leader and len(each.voters) == len(seen) for each in seen)
