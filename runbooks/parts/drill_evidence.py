"""What a drill has shown, signed, locked in both stores and left on this machine, proved or not."""

from __future__ import annotations

from datetime import datetime

from runbooks.core import origin as caller
from runbooks.core.errors import NotVerified
from runbooks.core.evidence import Content, Evidence, Objective, Point, Restored
from runbooks.core.run import Run
from runbooks.parts import kept_evidence, second
from runbooks.parts.apart import asked
from runbooks.parts.findings import checks
from runbooks.parts.kept_evidence import folder, left
from runbooks.parts.throwaway import source

__all__ = ["folder", "judge", "leave", "left"]
NEXT = (
    "Where a store or a disk gave way and not the backup, mend it (./inv status) and drill again. Else drill an older "
    "one (--backup) or the other repository (--from), and make a new one: ./inv backup --kind full"
)


def leave(run: Run) -> None:
    """Sign the evidence of what was found, keep it here, and lock it in each store that answers."""
    kept_evidence.leave(run, evidence_of)


def judge(run: Run) -> None:
    """Raise NotVerified unless every check has passed. One that was compared with nothing leaves the run degraded."""
    if run.planning:
        return
    evidence = evidence_of(run)
    run.figures |= {"proved": evidence.proved, "backup": evidence.backup.label}
    drill = run.settings.drill
    lines = [_measured(run, "rto", drill.rto_seconds), _measured(run, "rpo", drill.rpo_seconds)]
    for line in (*lines, f"evidence: {folder(run)}/{run.id}.html"):
        run.estate.console.print(line)
    if evidence.verdict == "not compared":
        run.degraded(
            f"backup {evidence.backup.label} of {evidence.backup.repository} was restored to {evidence.target} and is "
            f"sound, but its content was compared with nothing: {run.recall('alone')}"
        )
    elif not evidence.proved:
        what = f"backup {evidence.backup.label} of {evidence.backup.repository} is NOT proved:"
        wrong = [f"{check.name}: {check.found}" for check in evidence.every_check if check.outcome == "failed"]
        if unmade := [check.name for check in evidence.every_check if check.outcome == "not run"]:
            wrong.append(f"not run: {', '.join(unmade)}")
        raise NotVerified("\n".join((what, *wrong, NEXT)))


def evidence_of(run: Run) -> Evidence:
    """Return the evidence of what this run has found so far."""
    ended, drill = caller.now(), run.settings.drill
    began = run.recall("started_at")
    seconds = (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds()
    point, content = _at_a_point(run) if asked(run).kind != "newest" else _at_the_fingerprint(run)
    return Evidence(
        run=run.id,
        stack=run.settings.stack,
        site=run.recall("site"),
        operator=caller.operator(),
        commit=caller.commit(),
        change=caller.change(),
        started_at=began,
        ended_at=ended,
        seconds=round(seconds, 3),
        backup=Restored(**run.recall("backup")),
        point=point,
        content=content,
        checks=checks(run),
        rto=Objective(seconds=run.figures.get("rto_seconds"), target=drill.rto_seconds),
        rpo=Objective(seconds=run.figures.get("rpo_seconds"), target=drill.rpo_seconds),
        tools=run.recall("tools", {}),
        target=asked(run).value,
        other=second.backup(run),
    )


def _at_the_fingerprint(run: Run) -> tuple[Point, Content]:
    """Return the point of the backup's fingerprint, and what that is of."""
    known = source(run)
    found = known.fingerprint
    return known.point, Content(tables=len(found.tables), rows=found.rows, sha256=known.sha256)


def _at_a_point(run: Run) -> tuple[Point, Content]:
    """Return the point that was reached, as the log of the copy told, and what the copy holds."""
    wanted, end = asked(run), run.recall("end", {})
    point = Point(
        scheme=wanted.kind,
        lsn=end.get("before_lsn") or end.get("replayed", ""),
        timeline=run.recall("timeline"),
        at=end.get("newest", ""),
    )
    return point, Content(**run.recall("content", {"tables": 0, "rows": 0, "sha256": ""}))


def _measured(run: Run, objective: str, target: int) -> str:
    """Return a line on one objective, in seconds."""
    seconds = run.figures.get(f"{objective}_seconds")
    said = "not measured" if seconds is None else f"{seconds:.1f} s"
    return f"{objective.upper()}: {said}, target {target} s"
