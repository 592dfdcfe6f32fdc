"""Customers kept out while the database is not theirs, and Patroni told to leave everything as it is meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable

from infra.settings import Site, address
from runbooks.adapters import maintenance, pooler, service
from runbooks.core.errors import CommandFailed, NotVerified
from runbooks.core.host import Host
from runbooks.core.run import Run
from runbooks.parts.places import here, present


def keep_out(run: Run) -> None:
    """Turn customers away at both poolers: each connection is dropped, so no payment is acknowledged any more.

    Where a pooler does not answer, nobody is let through it either; the restored database itself listens to nobody
    until it is proved.
    """
    run.remember("fenced", time.time())
    _at_each(run, lambda site: _beside(run, site).do(pooler.shut(_admin(run, site))))


def are_out(run: Run) -> bool:
    """Say whether no pooler that answers lets anybody through."""
    return all(door.shut for door in _doors(run))


def let_in(run: Run) -> None:
    """Let customers through at both poolers."""
    _at_each(run, lambda site: _beside(run, site).do(pooler.open_again(_admin(run, site))))


def are_in(run: Run) -> bool:
    """Say whether each pooler that answers lets customers through to a leader that takes writes."""
    doors = _doors(run)
    if any(door.shut or door.held for door in doors):
        return False
    asked = [_beside(run, site).ask(pooler.leads_to_leader(_client(run, site))) for site in _answering(run)]
    if not (asked and all(asked)):
        return False
    if "outage_seconds" not in run.figures and (fenced := run.recall("fenced")):
        run.figures["outage_seconds"] = round(time.time() - fenced, 1)
    return True


def prove_path(run: Run) -> None:
    """Commit through each site's pooler and route, and ask each service whether it is ready."""
    for site in _answering(run) or [here(run)]:
        _beside(run, site).do(pooler.write(_client(run, site)))
        if not run.planning:
            run.estate.member(site, "api").ask(service.ready())


def pause(run: Run) -> None:
    """Pause Patroni, everywhere at once."""
    run.estate.member(here(run), "db").do(maintenance.pause())


def is_paused(run: Run) -> bool:
    """Say whether each Patroni that can be asked knows that it is paused."""
    return all(view.paused for view in _views(run))


def go_on(run: Run) -> None:
    """Let Patroni govern again."""
    run.estate.member(here(run), "db").do(maintenance.go_on())


def governs(run: Run) -> bool:
    """Say whether the Patroni of the site governs again."""
    return not run.estate.member(here(run), "db").ask(maintenance.view()).paused


def _beside(run: Run, site: Site) -> Host:
    """Return the container from which a site's pooler is talked to: it has a psql."""
    return run.estate.member(site, "backup")


def _admin(run: Run, site: Site) -> pooler.Way:
    return _way(run, site, "pooler")


def _client(run: Run, site: Site) -> pooler.Way:
    return _way(run, site, "credit")


def _way(run: Run, site: Site, user: str) -> pooler.Way:
    return pooler.Way(
        address=address(run.settings, site, site, "pooler"),
        database=run.settings.cluster,
        user=user,
        password=run.secrets.password(user),
    )


def _views(run: Run) -> list[maintenance.View]:
    return [run.estate.member(site, "db").ask(maintenance.view()) for site in present(run)]


def _answering(run: Run) -> list[Site]:
    return [site for site in run.settings.sites if site.name in run.recall("doors", [])]


def _doors(run: Run) -> list[pooler.Door]:
    """Ask every pooler; note which answer. NotVerified where none does."""
    found, said = {}, []
    for site in run.settings.sites:
        try:
            found[site.name] = _beside(run, site).ask(pooler.door(_admin(run, site)))
        except CommandFailed as failure:
            said.append(str(failure))
    if not found:
        raise NotVerified("\n".join(("no pooler answers", *said)))
    run.remember("doors", list(found))
    return list(found.values())


def _at_each(run: Run, act: Callable[[Site], None]) -> None:
    """Do it at every pooler. One that says nothing at all lets nobody through, as long as another can be told."""
    silent = []
    for site in run.settings.sites:
        try:
            act(site)
        except CommandFailed as failure:
            silent.append(failure)
            if _answers(run, site) or len(silent) == len(run.settings.sites):
                raise


def _answers(run: Run, site: Site) -> bool:
    try:
        _beside(run, site).ask(pooler.door(_admin(run, site)))
    except CommandFailed:
        return False
    return True
