"""A site's containers and database come back: looked at, started, seen through; made anew where they cannot."""

from __future__ import annotations

import time

from infra.settings import Place, Site, container
from runbooks.adapters import docker, patroni
from runbooks.core.errors import CommandFailed, NotReady, NotVerified
from runbooks.core.leader import WRITES
from runbooks.core.run import Run
from runbooks.health import members
from runbooks.parts import known
from runbooks.parts.repositories import databases_bytes
from runbooks.parts.space import MORE

LOADED = 30.0  # seconds for a place's containers to run


def here(run: Run) -> Site:
    """Return the site that comes back."""
    return run.settings.site(run.arguments["place"])


def led(run: Run) -> Site:
    """Return the site that leads."""
    return run.settings.site(run.recall("led"))


# -- prechecks


def another_site_leads(run: Run) -> None:
    """Find the site whose database takes writes; NotReady where it is the one that is to come back, or none is."""
    place, writers, silent = known.here(run), [], {}
    for site in run.settings.sites:
        try:
            if run.estate.member(site, "db").ask(WRITES):
                writers.append(site)
        except CommandFailed as failure:
            silent[site.name] = str(failure)
    others = [site for site in writers if site.name != place.name]
    if not others and writers:
        raise NotReady(f"{place.name} leads: it is where the others come back to. ./inv status shows who is missing")
    if not others:
        raise NotReady("\n".join(("no database takes writes, so there is nothing to come back to", *silent.values())))
    if len(others) > 1:
        names = " and ".join(site.name for site in others)
        raise NotReady(f"both {names} take writes: let the one that was left behind come back first, ./inv rejoin SITE")
    run.remember("led", others[0].name)
    run.remember("two_lead", len(writers) > 1)


def patroni_governs(run: Run) -> None:
    """NotReady where Patroni is paused: it would leave what comes back as it is."""
    if run.estate.member(led(run), "db").ask(patroni.cluster()).paused:
        raise NotReady(
            "Patroni is paused: somebody is at work on the cluster. When that is over: docker exec "
            f"{container(run.settings, led(run), 'db')} patronictl -c {patroni.CONFIG} resume"
        )


def only_one_is_of_the_quorum(run: Run) -> None:
    """Two that take writes are one too many, unless this one is of a quorum that was left behind: it is stopped."""
    if run.recall("two_lead") and known.mine(run) is not None:
        raise NotReady(
            f"{here(run).name} takes writes too, and is of the same quorum: that must not be. ./inv status; do nothing "
            "else before it is known why"
        )


def its_containers_are_there(run: Run) -> None:
    """What is to be made anew is for `up`, who knows how; NotReady says so. Those that are stopped are for this run."""
    place = known.here(run)
    names = members(run.settings, place)
    try:
        found = run.estate.place(place).ask(docker.state(*names))
    except CommandFailed as failure:
        raise NotReady(f"{place.name}: its engine does not answer\n{failure}") from failure
    if lacking := [name for name in names if name not in found]:
        only = f" --site {place.name}" if isinstance(place, Site) else ""
        raise NotReady(
            f"{place.name}: {', '.join(lacking)} not there. ./inv up{only} --stack {run.settings.stack} makes what is "
            "declared; this runbook goes on from there"
        )
    stopped = [name for name in names if not found[name].running]
    run.estate.console.print(
        f"{place.name} comes back to {run.recall('led')}: "
        + (f"{len(stopped)} of {len(names)} containers are stopped" if stopped else "all its containers run"),
    )
    run.remember("began", time.time())


def there_is_room(run: Run) -> None:
    """NotReady where the site's disk could not hold what it is to; one whose containers are stopped is not asked."""
    try:
        space = run.estate.member(here(run), "backup").ask(docker.free(docker.DATA))
    except CommandFailed:
        return
    free = run.settings.backup.free_bytes
    need = free + (int(databases_bytes(run.estate) * MORE) if run.arguments.get("clone") else 0)
    if space.free < need:
        raise NotReady(
            f"{here(run).name}: {space.free >> 20} MiB free of {space.size >> 20} in {docker.DATA}, and it needs "
            f"{need >> 20}, with those of separuh:backup.free_bytes. Enlarge its volume, or remove what is kept there "
            "(./inv restore.release RUN)"
        )


# -- steps


def start(run: Run) -> None:
    """Start what is stopped, as `up --site` would; what stands is left alone."""
    names = [name for name, runs in _running(run).items() if not runs]
    if names:
        run.estate.place(known.here(run)).do(docker.start(*names))


def all_run(run: Run) -> bool:
    """Say whether each container of the place runs."""
    if stopped := [name for name, runs in _running(run).items() if not runs]:
        raise NotVerified(f"{', '.join(stopped)} not running")
    return True


def _running(run: Run) -> dict[str, bool]:
    place: Place = known.here(run)
    found = run.estate.place(place).ask(docker.state(*members(run.settings, place)))
    return {name: name in found and found[name].running for name in members(run.settings, place)}
