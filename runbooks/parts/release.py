"""The old data that a restore or a rejoin has kept: told of, and removed for good."""

from __future__ import annotations

from collections.abc import Iterable

from infra.settings import Site
from runbooks.adapters import aside, pgbackrest
from runbooks.core.errors import CommandFailed, NotReady
from runbooks.core.run import Run, Runbook, Step


def the_sites_answer(run: Run) -> None:
    """See at which sites something can be removed."""
    there = []
    for site in run.settings.sites:
        try:
            run.estate.member(site, "backup").ask(pgbackrest.version())
            there.append(site.name)
        except CommandFailed as failure:
            run.degraded(f"{site.name}: what is kept there stays: {failure}")
    if not there:
        raise NotReady("\n".join(("no backup container answers", *run.reasons)))
    run.remember("sites", there)


def something_is_kept(run: Run) -> None:
    """The run must be named whole: what is removed is nowhere else."""
    found = _kept(run)
    named = run.arguments["run"]
    if named not in {each.run for held in found.values() for each in held}:
        listed = [_line(site, each) for site, held in found.items() for each in held]
        raise NotReady("\n".join((f"no run {named} has kept anything", *(listed or ["nothing is kept"]))))
    sizes = {site: each.size for site, held in found.items() for each in held if each.run == named}
    run.figures["bytes"] = sum(sizes.values())


def remove(run: Run) -> None:
    """Remove it at each site."""
    for name in run.recall("sites"):
        host = run.estate.member(run.settings.site(name), "backup")
        host.do(aside.release(run.settings.database.path, run.arguments["run"]))


def removed(run: Run) -> bool:
    """Say whether nothing of it is left."""
    return all(each.run != run.arguments["run"] for held in _kept(run).values() for each in held)


def _kept(run: Run) -> dict[str, tuple[aside.Kept, ...]]:
    path = run.settings.database.path
    names = run.recall("sites")
    return {name: run.estate.member(run.settings.site(name), "backup").ask(aside.kept(path)) for name in names}


def say_what_is_kept(run: Run, sites: Iterable[Site]) -> None:
    """Say at which of the sites old data is kept, this run's and earlier ones', and how to be rid of it."""
    for site in sites:
        for each in run.estate.member(site, "backup").ask(aside.kept(run.settings.database.path)):
            run.estate.console.print(f"kept at {_line(site.name, each)}: ./inv restore.release {each.run}")


def _line(site: str, each: aside.Kept) -> str:
    return f"{site}: {each.path}, {each.size / 2**20:.0f} MiB"


RELEASE = Runbook(
    name="restore.release",
    title="remove old data that was kept",
    prechecks=(the_sites_answer, something_is_kept),
    steps=(Step("Remove it at each member", remove, removed, point_of_no_return=True, within=600),),
    operand="run",
)
