"""Let a site that was lost come back as a healthy standby, or the witness as a voter, while customers pay."""

from __future__ import annotations

from infra.settings import Site
from runbooks.core.errors import CommandFailed, Exit, SeparuhError
from runbooks.core.host import Estate
from runbooks.core.leader import WRITES
from runbooks.core.procedure import carry_out
from runbooks.core.run import Run, Runbook, Step
from runbooks.core.session import open_stack
from runbooks.parts import comeback, copying, known, returned, voter, whole
from runbooks.parts.standby import REBUILT


def rejoin(stack: str, place: str, clone: bool = False, plan: bool = False, resume: bool = False) -> Exit:
    """Let `place`, a site or the witness, come back to the site that leads.

    `clone`: make its database anew even where Patroni could rewind it. Nothing of what serves is touched.
    """
    settings, secrets = open_stack(stack)
    names = [each.name for each in settings.places]
    if place not in names:
        raise SeparuhError(f"say which place comes back: {', '.join(names[:-1])} or {names[-1]}, not {place!r}")
    if clone and place == settings.witness.name:
        raise SeparuhError(f"{place} is the witness and has no database: --clone is for a site")
    arguments = {"place": place, **({"clone": "yes"} if clone else {})}
    with Estate(settings, secrets) as estate:
        keeper = next((site for site in settings.sites if site.name != place and _leads(estate, site)), None)
    return carry_out(RUNBOOK, settings, secrets, plan=plan, resume=resume, arguments=arguments, keeper=keeper)


def _leads(estate: Estate, site: Site) -> bool:
    """Say whether a site takes writes: the quorum that it trusts is the one that holds the lease."""
    try:
        return estate.member(site, "db").ask(WRITES)
    except CommandFailed:
        return False


def nothing(run: Run) -> None:
    """Only look."""


VOTER = (
    Step("See whether its voter comes back by itself", voter.await_it, voter.is_known, stage="analyse"),
    Step("Stop its old voter, and take away its data", voter.end_old, voter.is_ended),
    Step("Let an empty one learn", voter.learn, voter.learns, voter.unlearn),
    Step("Let it vote", voter.let_vote, known.votes, within=30),
)
START = Step("Start what is stopped there", returned.start, returned.all_run, within=returned.LOADED)
SITE = (
    Step("See its database come back by itself", comeback.see_it_come, comeback.it_came, stage="analyse"),
    Step("Make it anew, its data set aside", comeback.make_anew, comeback.is_made_anew, comeback.put_back),
    Step(
        "Wait until it is in sync",
        nothing,
        comeback.is_well,
        stage="test",
        within=REBUILT,
    ),
    Step(
        "See its way for payments open",
        whole.see_ways_open,
        whole.ways_are_open,
        stage="test",
        within=90,
        optional=True,
        point_of_no_return=True,  # what follows makes it better: its data is not given up again for that
    ),
    Step("See its store answer", whole.use_its_store, whole.its_store_is_used, stage="test", optional=True),
    Step(
        "Keep its bucket locked, versioned and private",
        whole.keep_bucket,
        whole.bucket_is_kept,
        within=120,
        optional=True,
    ),
    Step(
        "Archive the timeline there too",
        whole.archive_what_is_lacking,
        whole.is_archived,
        stage="document",
        within=120,
        optional=True,
    ),
    Step("Refill its repository", whole.refill, whole.is_refilled, copying.end_backups, optional=True),
    Step(
        "Mirror the sealed secrets there",
        whole.mirror_secrets,
        whole.secrets_are_mirrored,
        stage="document",
        optional=True,
    ),
)
COUNT = Step("Count who votes", known.count, stage="monitor", optional=True)


def steps(run: Run) -> tuple[Step, ...]:
    """Return the steps of `run`: the witness has a voter and nothing else."""
    if run.arguments["place"] == run.settings.witness.name:
        return (*VOTER, START, COUNT)
    return (*VOTER, START, *SITE, COUNT)


def its_database_can_come(run: Run) -> None:
    """What must hold for a site's database to come back; the witness has none."""
    if run.arguments["place"] != run.settings.witness.name:
        returned.only_one_is_of_the_quorum(run)
        returned.there_is_room(run)
        comeback.it_is_seen(run)


RUNBOOK = Runbook(
    name="rejoin",
    title="let a place come back",
    prechecks=(
        returned.another_site_leads,
        known.the_quorum_stands,
        returned.patroni_governs,
        returned.its_containers_are_there,
        known.it_is_told,
        its_database_can_come,
    ),
    steps=steps,
    operand="place",
)
