"""The fault of a game day: struck at the leader's site, seen to be in place, and lifted; without a runner by itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import docker as engine_api

from infra import images, pins
from infra.engines import Engines
from infra.say import Say
from infra.settings import Settings, Site, address
from runbooks.adapters import docker, fault, postgres
from runbooks.core.errors import CommandFailed, NotVerified
from runbooks.core.run import Run
from runbooks.parts import aim

# -- what it takes


def bring(run: Run) -> None:
    """Build the image with the tools on the operator's engine, and bring it to that of the site."""
    if aim.kind(run) == "process":
        return
    if run.planning:
        run.estate.console.print(f"      {aim.struck(run).name}: build and send {aim.image(run)}")
        return
    run.remember("image", deliver(run.settings, aim.struck(run), run.estate.console.print))


def deliver(settings: Settings, site: Site, say: Say) -> str:
    """Build the image where it is not yet, send it to the engine of `site`, and return its tag."""
    local = engine_api.from_env()
    try:
        tag = images.build(frozenset(("fault",)), local, say)["fault"]
        with Engines(settings) as engines:
            client = engines.client(site.name)
            if images.missing({"fault": tag}, client):
                pins.hand_over(tag, site.name, client, local, say)
        return tag
    finally:
        local.close()


def is_at_hand(run: Run) -> bool:
    """Say whether the site's engine has the tools, and its kernel knows what they ask for."""
    if aim.kind(run) == "process":
        return True
    place = run.estate.place(aim.struck(run))
    if not run.recall("image") or not place.ask(fault.is_there(aim.image(run))):
        return False
    if aim.kind(run) == "link":
        place.ask(fault.works(aim.image(run)))
    return True


# -- struck, and lifted


def strike(run: Run) -> None:
    """Strike, once: what a dead runner had struck is over by itself, and is not struck again."""
    if run.resumed:
        return
    site, seconds = aim.struck(run), run.settings.failover.fault_seconds
    place = run.estate.place(site)
    run.remember("struck_at", time.time())
    if aim.kind(run) == "process":
        run.estate.member(site, "db").do(fault.kill_server(run.settings.database.path))
    elif aim.kind(run) == "link":
        peers, direction = aim.peers(run), aim.direction(run)
        _each(run, lambda name: place.do(fault.cut(name, aim.image(run), peers, direction, seconds)), aim.cut_off(run))
        run.notes["struck_at"] = time.time()  # nothing gets through from now on, so it is not told to etcd at once
    else:
        place.do(fault.hold_down(aim.helper(run), aim.image(run), aim.killed(run), seconds))


def is_struck(run: Run) -> bool:
    """Say whether the fault is in place; a run that goes on after its runner's death looks at none."""
    if run.resumed:
        return True
    site = aim.struck(run)
    if aim.kind(run) == "process":
        return server(run, site) != str(run.recall("server"))
    place = run.estate.place(site)
    if aim.kind(run) != "link":
        state = place.ask(docker.state(*aim.killed(run)))
        return not any(each.running for each in state.values())
    if not run.recall("struck_at"):
        return False
    cut = _each(run, lambda name: place.ask(fault.dropped(name, aim.image(run))) > 0, aim.cut_off(run))
    other = address(run.settings, site, aim.spared(run), "patroni")
    if all(cut) and run.estate.member(site, "db").ask(fault.answers(other)):
        raise NotVerified(f"{site.name} still reaches {other}: its link is not what was cut")
    return all(cut)


def lift(run: Run) -> None:
    """Start what was killed, and let everything through again."""
    place = run.estate.place(aim.struck(run))
    if aim.kind(run) == "link":
        _each(run, lambda name: _mend(run, name), aim.cut_off(run))
    elif aim.kind(run) != "process":
        place.do(fault.let_up(aim.helper(run), aim.killed(run)))
    run.remember("lifted_at", time.time())


def is_lifted(run: Run) -> bool:
    """Say whether nothing is down and nothing cut off by this run."""
    if aim.kind(run) == "process":
        return True
    place = run.estate.place(aim.struck(run))
    if aim.kind(run) == "link":
        return not any(_each(run, lambda name: _still_cut(run, name), aim.cut_off(run)))
    names = aim.killed(run)
    state = place.ask(docker.state(aim.helper(run), *names))
    return aim.helper(run) not in state and all(name in state and state[name].running for name in names)


def all_run(run: Run) -> bool:
    """Say whether each container of the site runs."""
    names = aim.members(run, aim.struck(run))
    state = run.estate.place(aim.struck(run)).ask(docker.state(*names))
    return all(name in state and state[name].running for name in names)


def server(run: Run, site: Site) -> str:
    """Return when the site's PostgreSQL was started, "" where it does not answer."""
    try:
        return run.estate.member(site, "db").ask(postgres.started())
    except CommandFailed:
        return ""


def _mend(run: Run, name: str) -> None:
    """Let through again; a container that was started anew, or is down, has no network left that was cut."""
    place = run.estate.place(aim.struck(run))
    try:
        place.do(fault.mend(name, aim.image(run)))
    except CommandFailed:
        if place.ask(docker.state(name))[name].running:
            raise


def _still_cut(run: Run, name: str) -> bool:
    place = run.estate.place(aim.struck(run))
    return place.ask(docker.state(name))[name].running and place.ask(fault.dropped(name, aim.image(run))) > 0


def _each(run: Run, act: Callable[[str], bool | None], names: Sequence[str]) -> list[bool | None]:
    """Do the same for each name, at the same time; a plan shows them in turn."""
    with ThreadPoolExecutor(1 if run.planning else len(names)) as pool:
        return list(pool.map(act, names))
