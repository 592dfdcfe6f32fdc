"""Let a site lead because an operator says so: the other is lost or sick, and nobody else decides, or nobody can."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial

from infra.settings import Settings
from runbooks.core.consent import expect_name
from runbooks.core.customers import Customers
from runbooks.core.errors import Exit, SeparuhError
from runbooks.core.host import Estate
from runbooks.core.procedure import carry_out
from runbooks.core.run import Run, Runbook, Step
from runbooks.core.session import open_stack
from runbooks.parts import losses, naming, old_side, stricken, taking_over
from runbooks.pay import audited, customers, tell, unpaid

AT_MOST = 300  # seconds of payments there must be instalments for


def failover(
    stack: str,
    to: str,
    fenced: str = "",
    pay: int = 0,
    confirm: str = "",
    plan: bool = False,
    resume: bool = False,
) -> Exit:
    """Let the site `to` of `stack` lead. `fenced` are places, by commas, that the operator has seen switched off.

    `pay`: make so many payments a second meanwhile, and tell what their customers saw. NotReady unless the stack's name
    is typed, or given by `confirm`: on a terminal the plan is shown first. DEGRADED where it serves at one site.
    """
    settings, secrets = open_stack(stack)
    if not (to or resume):
        raise SeparuhError(f"say which site is to lead: --to {' or --to '.join(site.name for site in settings.sites)}")
    arguments = {} if resume else {"to": settings.site(to).name, "fenced": fenced}
    carried_out = partial(carry_out, settings=settings, secrets=secrets, yes=True, arguments=arguments)
    if plan or resume:
        return carried_out(RUNBOOK, plan=plan, resume=resume)
    if not confirm and sys.stdin.isatty():
        carried_out(RUNBOOK, plan=True)
    expect_name(settings, confirm, f"let {to} lead without asking the other site")
    if not pay:
        return carried_out(RUNBOOK)
    with Estate(settings, secrets) as estate, _customers(estate, settings, to, pay) as probe:
        return carried_out(_watched(estate, probe))


def _customers(estate: Estate, settings: Settings, to: str, rate: int) -> Customers:
    """Return customers of the gateway that is left; what they can pay is read from its standby, as nobody leads."""
    site = settings.site(to)
    payments = unpaid(estate, rate * AT_MOST, at=estate.member(site, "db"))
    return customers(estate, rate, AT_MOST, payments, sites=(site,))


def _watched(estate: Estate, probe: Customers) -> Runbook:
    """Return the runbook with the customers asked at its end, so that its record has what they saw."""

    def ask_them(run: Run) -> None:
        seen, audit = probe.stop(), audited(estate, probe)
        run.figures |= {
            "rto_seconds": seen.write_stall_seconds,
            "sent": seen.sent,
            "acknowledged": seen.acknowledged,
            "failed_requests": seen.failed_requests,
            "lost_payments": audit.lost,
        }
        tell(run.settings, seen, audit)

    asked = Step("Ask the customers what they saw", ask_them, stage="test")
    return replace(RUNBOOK, steps=lambda run: (*steps(run), asked))


FENCE = Step(
    "Fence what answers of the other side",
    old_side.fence,
    old_side.is_fenced,
    old_side.release,
    within=30,
)
ALONE = (
    Step("Make a cluster of one of the voter's data", taking_over.part, undo=taking_over.unpart),
    Step(
        "Let etcd decide alone here",
        taking_over.decide_alone,
        taking_over.decides_alone,
        within=60,
        point_of_no_return=True,
    ),
)
LEAD = Step("Let the database here lead", taking_over.lead, taking_over.leads, within=90, point_of_no_return=True)
CUSTOMERS = (
    Step(
        "See the way of payments open", taking_over.open_the_way, taking_over.the_way_is_open, stage="test", within=60
    ),
    Step("Commit through it", taking_over.prove_the_way, stage="test"),
)
NAME = Step("Point the name at the site", naming.point_the_name, naming.the_name_points, within=30, optional=True)
ARCHIVE = Step(
    "Archive the new timeline", taking_over.archive, taking_over.is_archived, stage="document", within=90, optional=True
)
LEFT = Step("Say what is left to do", taking_over.say_what_is_left, stage="monitor")


def steps(run: Run) -> tuple[Step, ...]:
    """Return the steps of `run`: with `durability: strict` nobody can pay before a standby holds what is paid."""
    settings = run.settings
    customers_first = () if settings.database.durability == "strict" else CUSTOMERS
    name = (NAME,) if settings.dns else ()
    return (FENCE, *(ALONE if stricken.alone(run) else ()), LEAD, *customers_first, *name, ARCHIVE, LEFT)


RUNBOOK = Runbook(
    name="failover",
    title="let the site lead that is left",
    prechecks=(
        stricken.the_target_can_lead,
        stricken.something_is_lost,
        losses.what_may_be_lost_is_said,
        stricken.the_others_cannot_decide,
        naming.say_whether_the_name_can_be_moved,
    ),
    steps=steps,
    touches_serving=True,
    without_quorum=True,
)
