"""The game day: while payments flow the leader, its site or its link falls, and the estate comes back by itself."""

from __future__ import annotations

from dataclasses import replace

from runbooks.core.consent import expect_name
from runbooks.core.errors import Exit, NotReady, SeparuhError
from runbooks.core.origin import now
from runbooks.core.procedure import carry_out
from runbooks.core.run import Run, Runbook, Step
from runbooks.core.session import open_stack, settings_of
from runbooks.parts import aim, both_sides, fault, game_day_evidence, lock, paying, recovery
from runbooks.parts.evidence_files import public_key
from runbooks.parts.repositories import at_once


def failover(
    stack: str,
    kind: str,
    direction: str = "",
    rate: int = 50,
    check_both: bool = True,
    confirm: str = "",
    plan: bool = False,
    yes: bool = False,
    resume: bool = False,
) -> Exit:
    """Strike the leader of `stack` with a `kind` of fault while customers pay `rate` a second, and judge what follows.

    `check_both`: write to both sides by every path meanwhile, to see that there are never two leaders. On a production
    stack `confirm` must be the stack's name. Returns DONE, or DEGRADED where the RTO was missed; raises Undone where a
    payment was lost, two led, or the estate did not come back.
    """
    arguments = {} if resume else _arguments(kind, direction, rate, check_both)
    settings = settings_of(stack)
    if not plan and not resume and settings.production:
        expect_name(settings, confirm, f"strike a production stack: {aim.KINDS[kind]}")
        yes = True
    settings, secrets = open_stack(stack)
    return carry_out(RUNBOOK, settings, secrets, plan=plan, yes=yes, resume=resume, arguments=arguments)


def _arguments(kind: str, direction: str, rate: int, check_both: bool) -> dict[str, str]:
    if kind not in aim.KINDS:
        raise SeparuhError(f"no kind {kind!r}: --kind {', '.join(aim.KINDS)}")
    if direction and kind != "link":
        raise SeparuhError(f"--direction is of a link, and not of a {kind}")
    if direction and direction not in aim.DIRECTIONS:
        raise SeparuhError(f"no direction {direction!r}: --direction {', '.join(aim.DIRECTIONS)}, as the site sees it")
    given = {"kind": kind, "rate": str(rate), "check_both": "yes" if check_both else "no"}
    return {**given, "direction": direction or "both"} if kind == "link" else given


# -- prechecks


def the_estate_is_well(run: Run) -> None:
    """NotReady names all that is not: what is not whole already says nothing about how a fault is survived."""
    run.remember("started_at", now())
    recovery.who_leads(run)
    if troubles := recovery.is_well(run):
        raise NotReady("\n".join(("nothing is struck now; nothing was changed:", *troubles)))


def the_stores_answer(run: Run) -> None:
    """The evidence is locked there at the end; where one does not answer now, there is less to rely on."""
    answering = []
    for site, failure in at_once(run, lambda site: lock.usable(run, site), run.settings.sites).items():
        if failure is None:
            answering.append(site.name)
        else:
            raise NotReady(f"nothing is struck now, as {site.name} would not take the evidence: {failure}")
    run.remember("sites", answering)
    public_key(run.secrets)


def the_fault_is_told(run: Run) -> None:
    """For the operator, and the record."""
    site = aim.struck(run).name
    run.figures |= {"kind": aim.kind(run), "from": site}
    if direction := run.arguments.get("direction"):
        run.figures["direction"] = direction
    line = f"{site} leads: {aim.KINDS[aim.kind(run)]}, for {run.settings.failover.fault_seconds} s at most"
    run.estate.console.print(line)


# -- steps


def nothing(run: Run) -> None:
    """The estate does it by itself."""
    del run


def count(run: Run) -> None:
    """Count what customers saw, and how long they were without: at the gateways that could serve."""
    figures = paying.count(run)
    if figures is not None:
        served = recovery.gateways(run)
        outages = [seen.write_stall_seconds for name, seen in figures.gateways.items() if name in served]
        run.figures["rto_seconds"] = None if figures.void else max(outages)


BOTH_SIDES = Step("Write to both sides by every path", both_sides.begin, both_sides.write, both_sides.end, within=30)
COMPARE = Step("Compare what both sides acknowledged", both_sides.judge, stage="test")
RECOVER = Step("See it recover by itself", nothing, recovery.has_recovered, stage="monitor", optional=True)

STEPS = (
    Step("Bring what it takes to the site's engine", fault.bring, fault.is_at_hand, stage="plan", within=10),
    Step("Let customers pay", paying.begin, paying.flow, paying.end, within=30),
    BOTH_SIDES,
    Step("Strike", fault.strike, fault.is_struck, fault.lift, stage="test", within=10),
    RECOVER,
    Step("Lift the fault", fault.lift, fault.is_lifted, within=60),
    Step(
        "See the site come back by itself", nothing, recovery.has_rejoined, stage="monitor", within=300, optional=True
    ),
    Step("Count what customers saw", count, stage="test"),
    COMPARE,
    Step(
        "Sign the evidence and lock it in the stores", game_day_evidence.leave, game_day_evidence.left, stage="document"
    ),
    Step("Judge", game_day_evidence.judge, stage="analyse"),
)


def steps(run: Run) -> tuple[Step, ...]:
    """Return the steps of `run`. It is waited for a recovery for as long as the fault lasts."""
    recover = replace(RECOVER, within=run.settings.failover.fault_seconds)
    left_out = () if both_sides.asked(run) else (BOTH_SIDES, COMPARE)
    return tuple(recover if step is RECOVER else step for step in STEPS if step not in left_out)


RUNBOOK = Runbook(
    name="drill.failover",
    title="strike the leader, and see the estate survive it",
    prechecks=(the_estate_is_well, the_stores_answer, paying.there_is_enough_to_pay, the_fault_is_told),
    steps=steps,
    touches_serving=True,
)
