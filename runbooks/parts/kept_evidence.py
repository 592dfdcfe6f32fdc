"""Evidence signed, kept on this machine, and locked in the stores: of whatever drill it is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from infra.settings import ROOT, Site
from runbooks.adapters import s3
from runbooks.core.errors import CommandFailed, NotVerified
from runbooks.core.evidence import Evidence
from runbooks.core.game_day import GameDay
from runbooks.core.run import Run
from runbooks.parts.evidence_files import files
from runbooks.parts.repositories import at_once, chosen

PREFIX = "separuh/evidence/"


def folder(run: Run) -> Path:
    """Return where this machine keeps the run's evidence."""
    return ROOT / ".separuh" / run.settings.stack / "evidence" / run.id


def leave(run: Run, evidence_of: Callable[[Run], Evidence | GameDay]) -> None:
    """Sign the evidence once, keep it here, and put it into each store under a lock; one that is gone is left out."""
    if not folder(run).is_dir() and not run.planning:
        _write(run, evidence_of(run))
    silent: dict[Site, CommandFailed] = {}
    for site, failure in at_once(run, lambda site: _put(run, site)).items():
        if isinstance(failure, CommandFailed):
            silent[site] = failure
        elif failure:
            raise failure
    if len(silent) == len(chosen(run)):
        raise NotVerified("\n".join(("no store takes the evidence", *map(str, silent.values()))))
    for site, why in silent.items():
        run.degraded(f"{site.name}: no evidence there: {why}")
    run.remember("sites", [site.name for site in chosen(run) if site not in silent])


def left(run: Run) -> bool:
    """Say whether each store has every file of the evidence."""
    if not folder(run).is_dir():
        return False
    return all(_held(run, site, path) for site in chosen(run) for path in folder(run).iterdir())


def _write(run: Run, evidence: Evidence | GameDay) -> None:
    """Write all files, then give their folder its name: it is whole or not there."""
    draft = folder(run).with_name(f".{run.id}")
    draft.mkdir(parents=True, exist_ok=True)
    for name, content in files(evidence, run.secrets).items():
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
