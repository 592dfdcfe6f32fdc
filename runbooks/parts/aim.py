"""Whom the fault of a game day strikes, and with what."""

from __future__ import annotations

from infra import pins
from infra.prepare import NOT_BUILT
from infra.settings import ON_LINK, Place, Site, container
from runbooks.adapters import fault
from runbooks.adapters.fault import Direction
from runbooks.core.run import Run

KINDS = {
    "process": "kill the leader's PostgreSQL",
    "leader": "kill the leader's container, and keep it down",
    "site": "kill every container of the leader's site, and keep them down",
    "link": "cut the leader's site off from all other places, in silence",
}
DIRECTIONS: tuple[Direction, ...] = ("both", "in", "out")


def kind(run: Run) -> str:
    """Return which of `KINDS` it is."""
    return str(run.arguments["kind"])


def struck(run: Run) -> Site:
    """Return the site that is struck: the one that leads when the run begins."""
    return run.settings.site(run.recall("struck"))


def spared(run: Run) -> Site:
    """Return the other site."""
    return next(site for site in run.settings.sites if site != struck(run))


def image(run: Run) -> str:
    """Return the image with the tools, as it was brought."""
    return str(run.recall("image", f"separuh/fault:{NOT_BUILT}"))


def direction(run: Run) -> Direction:
    """Return in which direction the link is cut, as the site sees it."""
    return next(way for way in DIRECTIONS if way == run.arguments.get("direction", "both"))


def helper(run: Run) -> str:
    """Return the name of the container that holds others down."""
    return f"{run.settings.stack}-{struck(run).name}-fault"


def killed(run: Run) -> list[str]:
    """Return the containers that are killed and held down."""
    site = struck(run)
    return [container(run.settings, site, "db")] if kind(run) == "leader" else members(run, site)


def members(run: Run, place: Place) -> list[str]:
    """Return every container of a place."""
    prefix = f"{run.settings.stack}-{place.name}-"
    return sorted(name for name in pins.members(run.settings) if name.startswith(prefix))


def cut_off(run: Run) -> list[str]:
    """Return the containers of the site that speak with other places."""
    known = members(run, struck(run))
    return [name for role in ON_LINK if (name := container(run.settings, struck(run), role)) in known]


def peers(run: Run) -> list[str]:
    """Return the addresses of the other places, as the site's containers see them."""
    settings = run.settings
    others = [place for place in settings.places if place.name != struck(run).name]
    if not settings.one_engine:
        return [place.publish.address for place in others]
    names = [container(settings, place, role) for place in others for role in ON_LINK]
    return run.estate.place(settings.witness).ask(fault.addresses(f"{settings.stack}-link", names))
