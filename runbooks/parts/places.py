"""Where a restore in earnest takes place: the site, the repository, who is there, and who was leading."""

from __future__ import annotations

from infra.settings import Site, container
from runbooks.adapters import aside, maintenance, patroni, pgbackrest
from runbooks.core.errors import CommandFailed, NotReady
from runbooks.core.leader import WRITES
from runbooks.core.run import Run
from runbooks.parts import lock
from runbooks.parts.repositories import at_once, chosen, cluster


def here(run: Run) -> Site:
    """Return the site at which the cluster is restored."""
    return run.settings.site(run.recall("site"))


def origin(run: Run) -> Site:
    """Return the site whose repository it is restored from."""
    return run.settings.site(run.recall("from"))


def present(run: Run) -> list[Site]:
    """Return the sites whose database can be handled, that of the restore first."""
    found = [site for site in run.settings.sites if site.name in run.recall("present")]
    return sorted(found, key=lambda site: site != here(run))


def others(run: Run) -> list[Site]:
    """Return the sites whose standby is to be rebuilt: the other one, where it can be handled."""
    return [site for site in present(run) if site != here(run)]


def path(run: Run) -> str:
    """Return where the data lies that a member serves."""
    return run.settings.database.path


def kept(run: Run) -> str:
    """Return the path under which this run keeps a member's old data."""
    return aside.name(path(run), run.id)


# -- prechecks


def the_members_are_seen(run: Run) -> None:
    """See whose database can be handled. One that cannot be is left alone, and it must not be the one that leads."""
    there, paused, silent = [], [], {}
    for site in run.settings.sites:
        try:
            seen = run.estate.member(site, "db").ask(maintenance.view())
            run.estate.member(site, "backup").ask(pgbackrest.version())
        except CommandFailed as failure:
            silent[site.name] = str(failure)
            continue
        there.append(site)
        paused += [site.name] if seen.paused else []
    if not there:
        raise NotReady("\n".join(("no site's database can be handled", *silent.values())))
    if paused:
        raise NotReady(
            f"Patroni is paused (seen at {' and '.join(paused)}): somebody is at work on the cluster. When that is "
            f"over: docker exec {container(run.settings, there[0], 'db')} patronictl -c {patroni.CONFIG} resume"
        )
    for site in (site for site in run.settings.sites if site.name in silent):
        _not_leading(run, site, silent[site.name])
        run.degraded(
            f"{site.name}: its database cannot be handled and keeps what it has: {silent[site.name]}\n"
            f"it may not follow by itself when it answers again: ./inv rejoin {site.name}"
        )
    run.remember("present", [site.name for site in there])
    run.remember("led", _leading(run, there))


def _not_leading(run: Run, site: Site, why: str) -> None:
    name = container(run.settings, site, "db")
    for member in cluster(run.estate).members:
        if member.name == name and member.role in patroni.LEADERS and member.state == "running":
            raise NotReady(
                f"{site.name} leads, and cannot be handled from here: it would go on taking payments. Wait until its "
                f"lease in etcd is over, or make it answer\n{why}"
            )


def _leading(run: Run, sites: list[Site]) -> str:
    """Return the site that takes writes now, "" where none does."""
    for site in sites:
        try:
            if run.estate.member(site, "db").ask(WRITES):
                return site.name
        except CommandFailed:
            continue
    return ""


def a_site_is_chosen(run: Run) -> None:
    """Restore where the leader is or, without one, at the first site that can be handled, unless one is named."""
    there: list[str] = run.recall("present")
    site = run.arguments.get("site") or run.recall("led") or there[0]
    if site not in there:
        raise NotReady(
            f"{site}: its database cannot be handled, so nothing can be restored there: {'; '.join(run.reasons)}"
        )
    run.remember("site", site)
    run.remember("from", run.arguments.get("from") or site)


def the_store_answers(run: Run) -> None:
    """The repository that is restored from must answer; where the other does not, its log is not asked for."""
    answering = []
    for site, failure in at_once(run, lambda site: lock.usable(run, site), run.settings.sites).items():
        if failure is None:
            answering.append(site.name)
        elif not isinstance(failure, NotReady):
            raise failure
        elif site == origin(run):
            (other,) = [each.name for each in run.settings.sites if each != site]
            raise NotReady(f"{failure}\nThe other site's repository may have it all: --from {other}") from failure
        else:
            run.degraded(f"{site.name}: its store does not answer, and takes no log of what follows until it does")
    run.remember("sites", answering)


def repositories(run: Run) -> list[int]:
    """Return the numbers of the repositories that answered, that which is restored from first."""
    sites = sorted(chosen(run), key=lambda site: site != origin(run))
    return [run.settings.repository(site) for site in sites]
