"""A second copy, at the same point and out of the other site's repository: what the first can be compared with."""

from __future__ import annotations

from dataclasses import asdict

from infra.settings import Site
from runbooks.adapters import docker, scratch
from runbooks.core.errors import SeparuhError
from runbooks.core.evidence import Restored
from runbooks.core.host import Host
from runbooks.core.leader import WRITES
from runbooks.core.run import Run
from runbooks.parts import apart, throwaway
from runbooks.parts.apart import Apart
from runbooks.parts.choice import lineage, told
from runbooks.parts.findings import said, usable
from runbooks.parts.repositories import chosen, inventory
from runbooks.parts.space import room_for
from runbooks.parts.target import pick


def choose(run: Run, copies: int) -> None:
    """Choose the other repository's backup that leads to the point, or note why there is none.

    There must be room for `copies` more.
    """
    origin = throwaway.origin(run)
    others = [site for site in run.settings.sites if site != origin]
    for other in others:
        if other not in chosen(run):
            run.remember("alone", f"{other.name}: its store does not answer")
            continue
        try:
            held = inventory(run.estate, [other]).of(run.settings.repository(other))
            backup = pick(held, apart.wanted(run), lineage(run, other, run.recall("timeline")))
            room_for(run, copies)
        except SeparuhError as failure:
            run.remember("alone", f"{other.name}: {failure}")
            continue
        run.remember("other", asdict(told(other, backup)))


def backup(run: Run) -> Restored | None:
    """Return the backup that it is made from, None where there is none to compare with."""
    found = run.recall("other")
    return Restored(**found) if found else None


def site(run: Run) -> Site:
    """Return the site whose repository it comes from."""
    return run.settings.site(run.recall("other")["repository"])


def host(run: Run) -> Host:
    """Return its container."""
    return apart.host(run, _apart(run))


def restore(run: Run) -> None:
    """Make it, restore into it up to the same point, and cut it off. That it cannot be had is noted, and no failure."""
    if run.resumed:
        remove(run)  # a dead runner's, into which a pgBackRest may still write
    it = _apart(run)
    try:
        apart.make(run, it)
        host(run).do(apart.restoring(run, it))
        host(run).do(apart.starting(run))
        apart.cut_off(run, it)
    except SeparuhError as failure:
        run.remember("other_failed", f"the same point cannot be restored from {site(run).name}: {said(failure)}")


def stands(run: Run) -> bool:
    """Say whether it answers and is on no network, or was found impossible, or there is no first to compare it with."""
    if not usable(run) or failed(run):
        return True
    it = _apart(run)
    return it.name in _running(run, it) and host(run).ask(WRITES) and apart.is_cut_off(run, it)


def failed(run: Run) -> str:
    """Return why it could not be had, "" if it could."""
    return str(run.recall("other_failed", ""))


def remove(run: Run) -> None:
    """Remove its container and volume."""
    name = throwaway.of_second(run)
    run.estate.place(apart.here(run)).do(scratch.remove((name,), (f"{name}-data",)))


def _apart(run: Run) -> Apart:
    return Apart(name=throwaway.of_second(run), origin=site(run), label=run.recall("other")["label"])


def _running(run: Run, it: Apart) -> list[str]:
    found = run.estate.place(apart.here(run)).ask(docker.state(it.name))
    return [name for name, state in found.items() if state.running]
