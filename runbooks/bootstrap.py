"""The day after the fire: found the estate anew out of one site's repository, with nothing else of the old one left.

A site is brought up alone, so that it has no quorum, and its Patroni waits and begins no cluster. What is restored into
its volume meanwhile is what Patroni finds, and lets lead, once there is a quorum. Two of three voters would be one, but
a new etcd decides on its version, without which Patroni does not speak to it, when all three have been seen. So the
other site comes first, its database held, and all voters together.
"""

from __future__ import annotations

from collections.abc import Collection

from infra.choice import choose
from infra.engines import Engines
from infra.local_engine import ensure
from infra.prepare import prepare
from infra.say import say_on_stderr as say
from infra.settings import ROOT
from runbooks import up
from runbooks.adapters import founding
from runbooks.core.errors import Exit, NotReady
from runbooks.core.procedure import carry_out
from runbooks.core.run import Run, Runbook, Step
from runbooks.core.session import settings_of
from runbooks.parts import founded, given, lock, target
from runbooks.parts.founded import here
from runbooks.parts.shared import settle


def bootstrap(
    stack: str, origin: str = "", at: str = "", authority: str = "", plan: bool = False, resume: bool = False
) -> Exit:
    """Restore the estate from the repository of the site `origin`: to the newest point, or as it was `at` a time.

    `authority` is a file with the certificate by which that site's store is checked, where that is one of our own.
    Nothing of the stack may stand at any place but that store.
    """
    settings = settings_of(stack)
    point, site = target.chosen(at), given.site_of(settings, origin)
    arguments = {"from": site.name, **({"at": point.value} if at else {})}
    ensure(say)
    with given.opened(settings, site, authority, keep=not plan) as secrets:
        return carry_out(RUNBOOK, settings, secrets, plan=plan, resume=resume, arguments=arguments)


# -- prechecks


def nothing_stands(run: Run) -> None:
    """A database or a quorum that stands is not to be founded anew; a site's store may be what survived."""
    for place in run.settings.places:
        if found := run.estate.place(place).ask(founding.volumes(run.settings.stack, ("db", "etcd"))):
            raise NotReady(
                f"{place.name}: the stack's data is there ({', '.join(found)}): ./inv up brings it up as it is. If it "
                f"is to be thrown away, ./inv down --stack {run.settings.stack} --volumes does that, stores included"
            )


def the_store_answers(run: Run) -> None:
    """The repository is all there is."""
    lock.usable(run, here(run))
    run.remember("sites", [here(run).name])


# -- steps


def bring_up(run: Run, *places: str) -> None:
    """Carry out what is declared for these places, else for all."""
    declare(run, places)
    run.remember("up", places or ["all"])


def declare(run: Run, places: Collection[str]) -> None:
    """Let the stack's engine make what is declared for these places, else for all."""
    if run.planning:
        run.estate.console.print(f"      up: {' and '.join(places) or 'all places'}")
        return
    with Engines(run.settings) as engines:
        choice = choose(engines, say, places)
        prepared = prepare(engines, ROOT, say, places)
        up.bring_about(engines, choice, prepared, places, False, run.estate.console, leased=True)


def bring_up_other(run: Run) -> None:
    """Bring up the other site while no quorum can be, and hold its database before there is one."""
    founded.end_vote(run)
    bring_up(run, founded.other(run).name)
    founded.hold_other(run)


def await_all(run: Run) -> None:
    """Wait until the whole stack serves, in sync and with both stores, as `up` does."""
    if not run.planning:
        up.await_serving(run.settings, run.secrets, (), run.estate.console)


STEPS = (
    Step(
        "Bring up the site alone, its database waiting for a quorum",
        lambda run: bring_up(run, here(run).name),
        founded.readable,
        stage="plan",
        within=300,
        point_of_no_return=True,  # there is nothing to go back to: it is finished, or taken down by `down`
    ),
    Step("Restore the backup into its volume", founded.restore, founded.is_restored),
    Step("Replay the log and begin a new timeline", founded.recover, founded.recovered, within=60),
    Step("Archive the new timeline's beginning", founded.archive, founded.is_archived, within=120),
    Step("Stop it cleanly, for Patroni to adopt", founded.hand_over, founded.is_handed_over, within=60),
    Step("Bring up the other site as alone, and hold its database", bring_up_other, founded.other_is_held, within=120),
    Step("Bring up the rest, and let the restored database lead", bring_up, founded.leads, within=180),
    Step("Let the other site copy it", founded.release_other),
    Step("Wait until all of it serves, in sync", await_all, stage="test"),
    Step(
        "Hold the cluster to the config",
        lambda run: settle(run.settings, run.secrets, run.planning, run.estate.console, leased=True),
        stage="document",
    ),
)

RUNBOOK = Runbook(
    name="bootstrap",
    title="found the estate anew out of a repository",
    prechecks=(nothing_stands, the_store_answers),
    steps=STEPS,
    without_quorum=True,
)
