"""What a game day has found, as evidence, and the verdict on it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from runbooks.core import origin as caller
from runbooks.core.errors import NotVerified
from runbooks.core.evidence import Check, Objective, Outcome
from runbooks.core.game_day import Customers, Fault, GameDay, Gateway, Written
from runbooks.core.run import Run
from runbooks.parts import aim, both_sides, kept_evidence
from runbooks.parts.recovery import gateways

__all__ = ["judge", "leave", "left"]
left = kept_evidence.left


def leave(run: Run) -> None:
    """Sign the evidence of what was found, keep it here, and lock it in each store that answers."""
    kept_evidence.leave(run, evidence_of)


def judge(run: Run) -> None:
    """Raise NotVerified where a check has not passed; a target that was missed leaves the run degraded."""
    if run.planning:
        return
    evidence = evidence_of(run)
    run.figures["proved"] = evidence.proved
    rto = evidence.rto
    said = "not measured" if rto.seconds is None else f"{rto.seconds:.1f} s"
    lost = run.figures.get("lost_payments", "not measured")
    lines = (f"RTO: {said}, target {rto.target:g} s", f"acknowledged payments lost: {lost}, target 0")
    for line in (*lines, f"evidence: {kept_evidence.folder(run)}/{run.id}.html"):
        run.estate.console.print(line)
    if evidence.verdict == "not proved":
        wrong = [f"{check.name}: {check.found or check.outcome}" for check in evidence.every_check if _wrong(check)]
        what = f"this {aim.kind(run)} was NOT survived as it should be:"
        if run.resumed:
            what = "the fault is lifted and the site is back, and nothing is proved, as the runner died meanwhile:"
        raise NotVerified("\n".join((what, *wrong)))
    if evidence.verdict == "not compared":
        run.degraded("both sides were not written to, so it is not proved that there were never two leaders")
    if not rto.met:
        run.degraded(f"the RTO was {said}: more than the {rto.target:g} s of separuh:failover.rto_seconds")


def evidence_of(run: Run) -> GameDay:
    """Return the evidence of what this run has found so far."""
    ended, began, figures = caller.now(), run.recall("started_at"), run.figures
    seconds = (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds()
    written = run.recall("both_sides", {}).get("paths", [])
    return GameDay(
        run=run.id,
        stack=run.settings.stack,
        operator=caller.operator(),
        commit=caller.commit(),
        change=caller.change(),
        started_at=began,
        ended_at=ended,
        seconds=round(seconds, 3),
        fault=Fault(
            kind=aim.kind(run),
            site=aim.struck(run).name,
            direction=run.arguments.get("direction", ""),
            struck_at=_moment(run.recall("struck_at")),
            lifted_at=_moment(run.recall("lifted_at")),
        ),
        led=run.recall("led"),
        leads=run.recall("leads", ""),
        leader_seconds=figures.get("leader_seconds"),
        rejoined_seconds=figures.get("rejoined_seconds"),
        customers=_customers(run),
        written=tuple(
            Written(path=each["name"], **{key: value for key, value in each.items() if key != "name"})
            for each in written
        ),
        checks=tuple(_checks(run)),
        rto=Objective(seconds=figures.get("rto_seconds"), target=run.settings.failover.rto_seconds),
    )


def _checks(run: Run) -> Iterator[Check]:
    figures = run.figures
    yield _check("struck", bool(run.recall("struck_at")) and not run.resumed, "its runner died")
    yield _check("recovered", bool(run.recall("recovered")) and not run.resumed, _reason(run, "recover"))
    if "lost_payments" in figures:
        lost, books = figures["lost_payments"], run.recall("books")
        yield _check("payments", lost == 0, f"{lost} of {figures['acknowledged']} are gone")
        yield _check("books", not books, books)
    if "sent" in figures:
        yield _check("measured", not run.recall("void"), run.recall("void"))
    if not both_sides.asked(run):
        yield Check(name="one_leader", outcome="not compared", found="both sides were not written to")
    elif verdict := run.recall("both_sides"):
        wrong = [f"acknowledged and gone: {each}" for each in verdict["lost"]]
        wrong += [f"by the old leader: {each}" for each in verdict["overlapping"]]
        found = f"{verdict['acknowledged']} writes, {verdict['behind']} of them by the old leader after the fault began"
        outcome: Outcome = "failed" if wrong else "passed"
        yield Check(name="one_leader", outcome=outcome, found="; ".join(wrong) or found)
    yield _check("rejoined", bool(run.recall("rejoined")), _reason(run, "come back"))


def _check(name: str, passed: bool, why: str) -> Check:
    return Check(name=name, outcome="passed" if passed else "failed", found="" if passed else why)


def _reason(run: Run, words: str) -> str:
    """Return what the step whose title has these `words` was degraded for."""
    return next((reason for reason in run.reasons if words in reason), "")


def _customers(run: Run) -> Customers | None:
    figures, spared = run.figures, gateways(run)
    if "sent" not in figures:
        return None
    return Customers(
        rate=figures["rate"],
        sent=figures["sent"],
        acknowledged=figures["acknowledged"],
        retried=figures["retried"],
        failed=figures["failed_requests"],
        lost=figures["lost_payments"],
        gateways={
            name: Gateway(outage_seconds=outage, spared=name in spared)
            for name, outage in figures["outage_seconds"].items()
        },
    )


def _wrong(check: Check) -> bool:
    return check.outcome in ("failed", "not run")


def _moment(seconds: float | None) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds") if seconds else ""
