"""A database restored apart from the serving stack: a container and a volume of its own, cut off once it stands."""

from __future__ import annotations

from dataclasses import dataclass

from infra.images import of_role
from infra.present import DRILL, PLACE_LABEL, ROLE_LABEL, STACK_LABEL
from infra.settings import Site, container
from runbooks.adapters import docker, pgbackrest, restored, scratch
from runbooks.core.command import Command
from runbooks.core.host import Host
from runbooks.core.run import Run
from runbooks.parts.target import Target, chosen

RESTORING = 12 * 3600.0  # seconds after which a restore counts as stuck
RECOVERING = 3600.0


@dataclass(frozen=True, kw_only=True)
class Apart:
    """One such database: its name, the site whose repository it comes from, and the backup's label there.

    `as_of` is when that repository is read as it was then, "" for as it is.
    """

    name: str
    origin: Site
    label: str
    as_of: str = ""


def here(run: Run) -> Site:
    """Return the site at which copies are made."""
    return run.settings.site(run.recall("site"))


def asked(run: Run) -> Target:
    """Return the point that the operator names; none (the newest) leaves it to the backup's fingerprint."""
    return chosen(run.arguments.get("at", ""), run.arguments.get("lsn", ""))


def wanted(run: Run) -> Target:
    """Return up to where they are restored."""
    return Target(**run.recall("target"))


def tags(run: Run) -> dict[str, str]:
    """Return the labels by which `down` finds what a drill left, and `up` knows that it is not its own."""
    return {STACK_LABEL: run.settings.stack, PLACE_LABEL: here(run).name, ROLE_LABEL: DRILL}


def host(run: Run, apart: Apart) -> Host:
    """Return its container."""
    return run.estate.named(here(run), apart.name)


def volume(apart: Apart) -> str:
    """Return the name of its volume."""
    return f"{apart.name}-data"


def make(run: Run, apart: Apart) -> None:
    """Make volume and container and start it; it knows the repositories, and no way to push to them."""
    site, settings, engine = here(run), run.settings, run.estate.place(here(run))
    beside = container(settings, site, "backup")
    engine.do(scratch.make_volume(volume(apart), tags(run)))
    shape = scratch.Shape(
        name=apart.name,
        image=engine.ask(scratch.image_of(beside)),
        user=of_role("db").uid,
        memory=settings.member("db").memory,
        cpu_shares=settings.member("backup").cpu_shares,
        network=network(run, apart),
        mounts=(f"{volume(apart)}:{docker.DATA}", f"{beside}-config:/config:ro"),
        labels=tags(run),
        tmpfs=("/tmp", "/run/postgresql"),  # noqa: S108 - inside the container
    )
    engine.do(scratch.make(shape, "sleep", "infinity"))
    engine.do(scratch.start_container(apart.name))


def tools(run: Run, apart: Apart) -> tuple[str, ...]:
    """Return how pgBackRest's command lines begin that read its repository."""
    return pgbackrest.program(run.settings.cluster, run.settings.repository(apart.origin), apart.as_of)


def restoring(run: Run, apart: Apart) -> Command[str]:
    """Return what brings the backup into the volume, to be replayed up to the target."""
    path, options = run.settings.database.path, wanted(run).options
    return restored.restore(tools(run, apart), apart.label, options, run.recall("timeline"), path, RESTORING)


def starting(run: Run) -> Command[str]:
    """Return what starts the server and lets it replay the log up to the target."""
    return restored.start(run.settings.database.path, RECOVERING)


def cut_off(run: Run, apart: Apart) -> None:
    """Take it off its network: all that it needs from now on it has."""
    run.estate.place(here(run)).do(scratch.cut_off(apart.name, network(run, apart)))


def is_cut_off(run: Run, apart: Apart) -> bool:
    """Say whether it is on no network."""
    return not run.estate.place(here(run)).ask(scratch.networks(apart.name))


def network(run: Run, apart: Apart) -> str:
    """Return the one network on which the repository's store is reached."""
    site, settings = here(run), run.settings
    lan = apart.origin == site or not settings.one_engine
    return f"{settings.stack}-{site.name}" if lan else f"{settings.stack}-link"
