"""Move the leader to the other site while customers pay: payments are held for that moment, and none fails."""

from __future__ import annotations

from functools import partial

from infra.settings import ROOT, Settings
from runbooks.core.errors import Exit, NotReady, SeparuhError
from runbooks.core.host import Estate
from runbooks.core.ledger import Ledger
from runbooks.core.procedure import carry_out
from runbooks.core.run import Run, Runbook, Step
from runbooks.core.session import open_stack
from runbooks.parts import moving, naming
from runbooks.parts.movable import all_is_well, another_site_leads, source, target
from runbooks.pay import audited, customers, tell

AT_MOST = 120  # seconds of payments there must be instalments for


def switchover(
    stack: str,
    to: str = "",
    back: bool = False,
    pay: int = 0,
    plan: bool = False,
    yes: bool = False,
    resume: bool = False,
) -> Exit:
    """Move the leader of `stack` to the site `to`, or `back` to where it was before the last such run.

    `pay`: make so many payments a second meanwhile, and tell what their customers saw. DEGRADED where one failed.
    """
    settings, secrets = open_stack(stack)
    arguments = {} if resume else {"to": _goal(settings, to, back)}
    carried_out = partial(carry_out, RUNBOOK, settings, secrets, plan=plan, yes=yes, resume=resume, arguments=arguments)
    if not pay or plan:
        return carried_out()
    with Estate(settings, secrets) as estate, customers(estate, pay, AT_MOST) as probe:
        outcome = carried_out()
        return max(outcome, tell(settings, probe.stop(), audited(estate, probe)))


def _goal(settings: Settings, to: str, back: bool) -> str:
    if bool(to) == back:
        names = " or ".join(site.name for site in settings.sites)
        raise SeparuhError(f"say where to: --to {names}, or --back")
    if to:
        return settings.site(to).name
    moves = [record for record in Ledger(ROOT, settings.stack).all() if record.runbook == RUNBOOK.name]
    moved = [record for record in moves if record.outcome != "undone"]
    places = [str(record.figures["from"]) for record in moved if "from" in record.figures and not record.baseline]
    if not places:
        raise NotReady("no switchover of this stack is in the ledger here, so there is no way back: name it with --to")
    return places[-1]


def the_way_is_noted(run: Run) -> None:
    """For the operator, the record, and the way back."""
    before, after = source(run).name, target(run).name
    run.figures["from"], run.figures["to"] = before, after
    run.estate.console.print(f"{before} leads; {after} is to take over")


NAME = Step("Point the name at the site", naming.point_the_name, naming.the_name_points, within=30, optional=True)

STEPS = (
    Step("Write a checkpoint on the leader", moving.write_checkpoint, within=300),
    Step("Look into the archive beforehand", moving.rely_on_stream, undo=moving.look_again, stage="analyse", within=30),
    Step("Let a gate wait at each pooler", moving.let_gates_wait, moving.gates_wait, moving.dismiss_gates, within=10),
    Step("Have Patroni move the leader", moving.hand_over, moving.has_stopped, moving.withdraw, within=20),
    Step(
        "See both routes lead to the new leader",
        moving.see_it_through,
        moving.leads_elsewhere,
        stage="test",
        within=60,
        point_of_no_return=True,
    ),
    Step("See payments go on at both sites", moving.let_payments_go_on, moving.payments_go_on, stage="test", within=30),
    NAME,
    Step(
        "Wait until the standby is in sync",
        lambda run: None,
        moving.in_sync_again,
        stage="monitor",
        within=120,
        optional=True,
    ),
)


def steps(run: Run) -> tuple[Step, ...]:
    """Return the steps of `run`: the name's only where there is one."""
    return tuple(step for step in STEPS if step is not NAME or run.settings.dns)


RUNBOOK = Runbook(
    name="switchover",
    title="move the leader to the other site",
    prechecks=(another_site_leads, all_is_well, naming.the_name_can_be_moved, the_way_is_noted),
    steps=steps,
    touches_serving=True,
)
