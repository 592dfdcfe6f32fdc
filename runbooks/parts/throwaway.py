"""The throwaway database of a drill: restored beside the serving stack and not of it, and gone when the run ends."""

from __future__ import annotations

import time
from contextlib import suppress

from infra.settings import Site
from runbooks.adapters import docker, restored, scratch
from runbooks.core.errors import CommandFailed, NotVerified
from runbooks.core.host import Host
from runbooks.core.leader import WRITES
from runbooks.core.run import Run
from runbooks.parts import apart
from runbooks.parts.apart import RECOVERING, RESTORING, Apart, here, tags
from runbooks.parts.findings import attempt, usable
from runbooks.parts.source import Source, fetch
from runbooks.parts.versions import advice

__all__ = ["RECOVERING", "RESTORING", "here", "tags"]


def origin(run: Run) -> Site:
    """Return the site whose repository it is made from."""
    return run.settings.site(run.recall("from"))


def first(run: Run) -> Apart:
    """Return what the drill restores; another copy is made only to be compared with it."""
    as_of = str(run.arguments.get("as_of", ""))
    return Apart(name=name(run), origin=origin(run), label=run.recall("label"), as_of=as_of)


def source(run: Run) -> Source:
    """Return what the copy must be equal to."""
    label, as_of = run.recall("label"), str(run.arguments.get("as_of", ""))
    if as_of and (then := fetch(run.estate, origin(run), label, as_of)):
        return then
    silent = []
    for site in (origin(run), *(site for site in run.settings.sites if site != origin(run))):
        try:
            if found := fetch(run.estate, site, label):
                return found
        except CommandFailed as failure:
            silent.append(str(failure))
    lost = f"the fingerprint of backup {label} is in neither bucket any more"
    raise NotVerified("\n".join((f"{lost}, or its store does not answer", *silent)) if silent else lost)


def name(run: Run) -> str:
    """Return the name that the drill's container has, and that all its other objects begin with."""
    return f"{run.settings.stack}-{here(run).name}-drill-{run.id}"


def of_service(run: Run) -> str:
    """Return the name of the container in which the service runs on the copy."""
    return f"{name(run)}-api"


def of_second(run: Run) -> str:
    """Return the name of the container of the other copy, if there is one."""
    return f"{name(run)}-other"


def copy(run: Run) -> Host:
    """Return the throwaway container."""
    return run.estate.named(here(run), name(run))


def make(run: Run) -> None:
    """Make its volume and container."""
    if run.resumed:
        remove(run)  # what was half made
    apart.make(run, first(run))


def made(run: Run) -> bool:
    """Say whether the container runs."""
    found = run.estate.place(here(run)).ask(docker.state(name(run)))
    return name(run) in found and found[name(run)].running


def remove(run: Run) -> None:
    """Remove the drill's containers and volumes."""
    other = (of_second(run),) if run.recall("other") else ()
    volumes = (f"{of_service(run)}-config", *(f"{each}-data" for each in (*other, name(run))))
    run.estate.place(here(run)).do(scratch.remove((of_service(run), *other, name(run)), volumes))


def removed(run: Run) -> bool:
    """Say whether nothing of the drill is left on the site's engine."""
    return not run.estate.place(here(run)).ask(scratch.left(name(run)))


def restore(run: Run) -> None:
    """Bring the backup into the volume. A backup that cannot be restored is a finding; the drill goes on to say so."""
    if run.resumed:
        make(run)  # anew: a dead runner's pgBackRest may still write into it
    attempt(run, "target", lambda: copy(run).do(apart.restoring(run, first(run))), lambda: _deleted(run))


def is_restored(run: Run) -> bool:
    """Say whether the restore came to its end, or was found impossible."""
    return not usable(run) or copy(run).ask(restored.complete(run.settings.database.path))


def start(run: Run) -> None:
    """Start it and let it replay the log up to the point, which may be where it is found that it cannot."""
    if usable(run):
        attempt(run, "target", lambda: copy(run).do(apart.starting(run)), lambda: _deleted(run))


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
    """Take it off its network."""
    if usable(run):
        apart.cut_off(run, first(run))


def is_cut_off(run: Run) -> bool:
    """Say whether it is on no network."""
    return not usable(run) or apart.is_cut_off(run, first(run))


def _deleted(run: Run) -> str:
    """Return what to do where something that the backup needs was deleted, "" where nothing was that is known of."""
    with suppress(CommandFailed):  # a store that died has been told of
        return advice(run.estate, origin(run), run.recall("label"), run.arguments.get("as_of", ""))
    return ""
