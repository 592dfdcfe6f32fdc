"""The backup that the sabotage begins with: its drill is green, so whatever is red is so for what was broken."""

from __future__ import annotations

import subprocess

import pytest

from infra.settings import ROOT
from tests.drills.sabotage.conftest import Good
from tests.drills.sabotage.drilled import evidence_of, file_of, outcomes, remains
from tests.drills.stack import Stack

pytestmark = pytest.mark.drill


def test_a_good_backup_is_proved(stack: Stack, good: Good) -> None:
    """Every check has passed, RTO and RPO are measured and met, and the auditor's command agrees."""
    evidence = evidence_of(stack, good.record["id"])
    assert good.record["outcome"] == "done"
    assert (evidence.backup.label, evidence.site) == (good.label, good.site.name)
    assert evidence.proved, outcomes(evidence)
    assert evidence.content.rows > 2000
    assert evidence.rto.met
    assert evidence.rpo.met
    assert remains(stack) == []
    verify = [str(ROOT / "inv"), "evidence.verify", str(file_of(stack, good.record["id"]))]
    said = subprocess.run(verify, check=True, capture_output=True, text=True).stdout
    assert ": PROVED, 13 of 13 checks passed" in said


def test_the_other_sites_repository_restores_on_its_own(stack: Stack, good: Good) -> None:
    """At the same site, over the link: for the day on which one's own store is gone."""
    (other,) = [site.name for site in stack.estate.settings.sites if site != good.site]
    stack.inv("restore-drill", "--site", good.site.name, "--from", other, within=300)
    evidence = evidence_of(stack, stack.last_record()["id"])
    assert evidence.proved, outcomes(evidence)
    assert (evidence.site, evidence.backup.repository) == (good.site.name, other)
