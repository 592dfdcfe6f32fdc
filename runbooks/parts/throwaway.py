"""The throwaway database of a drill: a container and a volume of its own, beside the serving stack and not of it."""

from __future__ import annotations

import time

from infra.images import of_role
from infra.present import DRILL, PLACE_LABEL, ROLE_LABEL, STACK_LABEL
from infra.settings import Site, container
from runbooks.adapters import docker, restored, scratch
from runbooks.core.errors import NotVerified
from runbooks.core.host import Host
from runbooks.core.leader import WRITES
from runbooks.core.run import Run
from runbooks.parts.findings import attempt, usable
from runbooks.parts.source import Source, fetch

RESTORING = 12 * 3600.0  # seconds after which a restore counts as stuck
RECOVERING = 3600.0


def here(run: Run) -> Site:
    """Return the site at which the copy is made."""
    return run.settings.site(run.recall("site"))


def origin(run: Run) -> Site:
    """Return the site whose repository it is made from."""
    return run.settings.site(run.recall("from"))


def source(run: Run) -> Source:
    """Return what the copy must be equal to."""
    for site in (origin(run), *run.settings.sites):
        if found := fetch(run.estate, site, run.recall("label")):
            return found
    raise NotVerified(f"the fingerprint of backup {run.recall('label')} is in neither bucket any more")


def name(run: Run) -> str:
    """Return the name that the drill's container has, and that all its other objects begin with."""
    return f"{run.settings.stack}-{here(run).name}-drill-{run.id}"


def of_service(run: Run) -> str:
    """Return the name of the container in which the service runs on the copy."""
    return f"{name(run)}-api"


def copy(run: Run) -> Host:
    """Return the throwaway container."""
    return run.estate.named(here(run), name(run))


def tags(run: Run) -> dict[str, str]:
    """Return the labels by which `down` finds what a drill left, and `up` knows that it is not its own."""
    return {STACK_LABEL: run.settings.stack, PLACE_LABEL: here(run).name, ROLE_LABEL: DRILL}


def make(run: Run) -> None:
    """Make volume and container and start it; it knows the repositories, and no way to push to them."""
    site, settings, engine = here(run), run.settings, run.estate.place(here(run))
    beside = container(settings, site, "backup")
    if run.resumed:
        remove(run)  # what was half made
    engine.do(scratch.make_volume(f"{name(run)}-data", tags(run)))
    shape = scratch.Shape(
        name=name(run),
        image=engine.ask(scratch.image_of(beside)),
        user=of_role("db").uid,
        memory=settings.member("db").memory,
        cpu_shares=settings.member("backup").cpu_shares,
        network=_network(run),
        mounts=(f"{name(run)}-data:{docker.DATA}", f"{beside}-config:/config:ro"),
        labels=tags(run),
        tmpfs=("/tmp", "/run/postgresql"),  # noqa: S108 - inside the container
    )
    engine.do(scratch.make(shape, "sleep", "infinity"))
    engine.do(scratch.start_container(name(run)))


def made(run: Run) -> bool:
    """Say whether the container runs."""
    found = run.estate.place(here(run)).ask(docker.state(name(run)))
    return name(run) in found and found[name(run)].running


def remove(run: Run) -> None:
    """Remove the drill's containers and volumes."""
    command = scratch.remove((of_service(run), name(run)), (f"{of_service(run)}-config", f"{name(run)}-data"))
    run.estate.place(here(run)).do(command)


def removed(run: Run) -> bool:
    """Say whether nothing of the drill is left on the site's engine."""
    return not run.estate.place(here(run)).ask(scratch.left(name(run)))


def restore(run: Run) -> None:
    """Bring the backup into the volume. A backup that cannot be restored is a finding; the drill goes on to say so."""
    settings, point = run.settings, source(run).point
    command = restored.restore(
        settings.cluster,
        settings.repository(origin(run)),
        run.recall("label"),
        (point.lsn, point.timeline),
        settings.database.path,
        RESTORING,
    )
    if run.resumed:
        make(run)  # anew: a dead runner's pgBackRest may still write into it
    attempt(run, "target", lambda: copy(run).do(command))


def is_restored(run: Run) -> bool:
    """Say whether the restore came to its end, or was found impossible."""
    return not usable(run) or copy(run).ask(restored.complete(run.settings.database.path))


def start(run: Run) -> None:
    """Start it and let it replay the log up to the point, which may be where it is found that it cannot."""
    if usable(run):
        command = restored.start(run.settings.database.path, RECOVERING)
        attempt(run, "target", lambda: copy(run).do(command))


def answers(run: Run) -> bool:
    """Say whether it answers as a database that takes writes; note the first time it does."""
    if not usable(run):
        return True
    if not copy(run).ask(WRITES):
        return False
    if "rto_seconds" not in run.figures:
        # A drill that another runner went on with says nothing about how long a restore takes.
        run.figures["rto_seconds"] = None if run.resumed else round(time.monotonic() - run.recall("ordered"), 2)
    return True


def cut_off(run: Run) -> None:
    """Take it off its network: all that it needs from now on it has."""
    if usable(run):
        run.estate.place(here(run)).do(scratch.cut_off(name(run), _network(run)))


def is_cut_off(run: Run) -> bool:
    """Say whether it is on no network."""
    return not usable(run) or not run.estate.place(here(run)).ask(scratch.networks(name(run)))


def _network(run: Run) -> str:
    """Return the one network on which the repository's store is reached."""
    site, settings = here(run), run.settings
    lan = origin(run) == site or not settings.one_engine
    return f"{settings.stack}-{site.name}" if lan else f"{settings.stack}-link"
