"""What a drill has shown, signed, locked in both stores and left on this machine, proved or not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from infra.settings import ROOT, Site
from runbooks.adapters import s3
from runbooks.core import origin as caller
from runbooks.core.errors import CommandFailed, NotVerified
from runbooks.core.evidence import Content, Evidence, Objective, Restored
from runbooks.core.run import Run
from runbooks.parts.evidence_files import files
from runbooks.parts.findings import checks
from runbooks.parts.repositories import chosen, everywhere
from runbooks.parts.throwaway import source

PREFIX = "separuh/evidence/"


def folder(run: Run) -> Path:
    """Return where this machine keeps the run's evidence."""
    return ROOT / ".separuh" / run.settings.stack / "evidence" / run.id


def leave(run: Run) -> None:
    """Sign the evidence once, keep it here, and put it into each store under a lock."""
    if not folder(run).is_dir() and not run.planning:
        _write(run)
    everywhere(run, lambda site: _put(run, site))


def left(run: Run) -> bool:
    """Say whether each store has every file of the evidence."""
    if not folder(run).is_dir():
        return False
    return all(_held(run, site, path) for site in chosen(run) for path in folder(run).iterdir())


def judge(run: Run) -> None:
    """Raise NotVerified unless every check has passed."""
    if run.planning:
        return
    evidence = evidence_of(run)
    run.figures["proved"] = evidence.proved
    drill = run.settings.drill
    lines = [_measured(run, "rto", drill.rto_seconds), _measured(run, "rpo", drill.rpo_seconds)]
    for line in (*lines, f"evidence: {folder(run)}/{run.id}.html"):
        run.estate.console.print(line, markup=False, highlight=False, soft_wrap=True)
    if not evidence.proved:
        what = f"backup {evidence.backup.label} of {evidence.backup.repository} is NOT proved:"
        wrong = [f"{check.name}: {check.found}" for check in evidence.every_check if check.outcome == "failed"]
        if unmade := [check.name for check in evidence.every_check if check.outcome == "not run"]:
            wrong.append(f"not run: {', '.join(unmade)}")
        raise NotVerified("\n".join((what, *wrong)))


def evidence_of(run: Run) -> Evidence:
    """Return the evidence of what this run has found so far."""
    known, ended, drill = source(run), caller.now(), run.settings.drill
    began = run.recall("started_at")
    seconds = (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds()
    found = known.fingerprint
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
        point=known.point,
        content=Content(tables=len(found.tables), rows=found.rows, sha256=known.sha256),
        checks=checks(run),
        rto=Objective(seconds=run.figures.get("rto_seconds"), target=drill.rto_seconds),
        rpo=Objective(seconds=run.figures.get("rpo_seconds"), target=drill.rpo_seconds),
        tools=run.recall("tools", {}),
    )


def _measured(run: Run, objective: str, target: int) -> str:
    """Return a line on one objective, in seconds."""
    seconds = run.figures.get(f"{objective}_seconds")
    said = "not measured" if seconds is None else f"{seconds:.1f} s"
    return f"{objective.upper()}: {said}, target {target} s"


def _write(run: Run) -> None:
    """Write all files, then give their folder its name: it is whole or not there."""
    draft = folder(run).with_name(f".{run.id}")
    draft.mkdir(parents=True, exist_ok=True)
    for name, content in files(evidence_of(run), run.secrets).items():
        (draft / name).write_bytes(content)
    draft.rename(folder(run))


def _put(run: Run, site: Site) -> None:
    """Put the files that `site`'s bucket lacks, or has otherwise, into it, locked for as long as a backup is."""
    store, bucket = run.estate.store(site), run.settings.bucket(site)
    until = datetime.now(UTC) + timedelta(days=run.settings.backup.lock_days)
    if run.planning:
        store.do(s3.put_locked(bucket, f"{PREFIX}{run.id}/{run.id}.json", b"", until))
        return
    for path in sorted(folder(run).iterdir()):
        if not _held(run, site, path):
            store.do(s3.put_locked(bucket, f"{PREFIX}{run.id}/{path.name}", path.read_bytes(), until))


def _held(run: Run, site: Site, path: Path) -> bool:
    """Say whether the store has the file as it is here: a runner that died may have signed at another time."""
    try:
        question = s3.get(run.settings.bucket(site), f"{PREFIX}{run.id}/{path.name}")
        return run.estate.store(site).ask(question) == path.read_bytes()
    except CommandFailed as failure:
        if failure.code == s3.MISSING:
            return False
        raise
