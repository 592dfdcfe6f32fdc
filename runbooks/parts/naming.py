"""The name under which customers find the active site follows the leader, where the stack's config has one."""

from __future__ import annotations

from infra.sections import Dns
from runbooks.adapters import route53
from runbooks.adapters.route53 import Pair
from runbooks.core.errors import CommandFailed, NotReady
from runbooks.core.run import Run
from runbooks.parts.movable import target
from runbooks.parts.point import say


def the_name_can_be_moved(run: Run) -> None:
    """Where there is a name, its two records must be there, and its service must answer."""
    if run.settings.dns:
        try:
            found(run, run.settings.dns)
        except CommandFailed as failure:
            raise NotReady(f"{failure}\nthe name cannot be moved: mend that, or leave separuh:dns out") from failure


def say_whether_the_name_can_be_moved(run: Run) -> None:
    """Likewise, but refuse nothing: a site that is to lead today cannot wait for a name."""
    try:
        the_name_can_be_moved(run)
    except NotReady as failure:
        say(run, f"{failure}\nthe name stays as it is then, and all else is done")


def point_the_name(run: Run) -> None:
    """Make the record of the site that leads the primary one."""
    if dns := run.settings.dns:
        run.estate.names.do(route53.point(dns.zone, found(run, dns), target(run).name))


def the_name_points(run: Run) -> bool:
    """Say whether the record of the site that leads is the primary one; without a name there is nothing to point."""
    return run.settings.dns is None or found(run, run.settings.dns).active == target(run).name


def found(run: Run, dns: Dns) -> Pair:
    """Return both records of the name."""
    return run.estate.names.ask(route53.pair(dns.zone, dns.name, tuple(site.name for site in run.settings.sites)))
