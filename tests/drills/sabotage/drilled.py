"""What a restore drill leaves: signed evidence in both stores, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from infra.settings import ROOT, Site
from runbooks.adapters import s3
from runbooks.core.evidence import Evidence
from runbooks.parts import evidence_files, kept_evidence
from tests.drills.containers import KINDS, identities, labelled
from tests.drills.stack import Stack


def file_of(stack: Stack, run: str) -> Path:
    """Return where the evidence of a run lies here."""
    return ROOT / ".separuh" / stack.name / "evidence" / run / f"{run}.json"


def evidence_of(stack: Stack, run: str, sites: Sequence[Site] = ()) -> Evidence:
    """Return the evidence of a run, whose signature must hold; each store of `sites`, else both, has it under lock."""
    file = file_of(stack, run)
    for site in sites or stack.estate.settings.sites:
        key = f"{kept_evidence.PREFIX}{run}/{run}.json"
        bucket, store = stack.estate.settings.bucket(site), stack.estate.store(site)
        assert store.ask(s3.get(bucket, key)) == file.read_bytes()
        assert store.ask(s3.head(bucket, key)).mode == s3.COMPLIANCE
    return Evidence.parse(evidence_files.check(file).content)


def outcomes(evidence: Evidence) -> dict[str, str]:
    """Return how each check ended."""
    return {check.name: check.outcome for check in evidence.every_check}


def members(stack: Stack) -> dict[str, tuple[str, str]]:
    """Return the serving containers, each with its id and when it was started."""
    found = identities(labelled("container", stack.name))
    return {name: its for name, its in found.items() if "-drill-" not in name}


def remains(stack: Stack) -> list[str]:
    """Return the containers, networks and volumes that a drill has left, and evidence that was never finished."""
    left = [name for kind in KINDS for name in labelled(kind, stack.name) if "-drill-" in name]
    return left + [str(draft) for draft in (ROOT / ".separuh" / stack.name / "evidence").glob(".*")]
