"""Every object of a bucket deleted by the backup's own key: markers over locked versions, and no loss."""

from __future__ import annotations

import re

import pytest

from runbooks.adapters import postgres
from runbooks.core.leader import leader
from tests.drills.repositories import settled
from tests.drills.sabotage.breaking import delete_everything, put_back
from tests.drills.sabotage.conftest import Good
from tests.drills.sabotage.drilled import evidence_of, members, outcomes, remains
from tests.drills.stack import Stack

pytestmark = pytest.mark.drill

WAY_BACK = re.compile(r"\./inv restore-drill --stack \S+ (--as-of \S+ --from \S+)")


def test_a_repository_is_restored_as_it_was_before_all_was_deleted(stack: Stack, good: Good) -> None:
    """A drill refuses and names the command that restores all the same; that one proves the backup."""
    before, at = members(stack), ("--site", good.site.name)
    with put_back(stack, good.site):
        delete_everything(stack.estate, good.site)
        said = stack.inv("restore-drill", *at, code=3, within=60)
        named = WAY_BACK.search(said)
        assert named, said
        stack.inv("restore-drill", *named[1].split(), *at, within=300)
        evidence = evidence_of(stack, stack.last_record()["id"])
        assert evidence.proved, outcomes(evidence)
        assert (evidence.backup.repository, evidence.backup.label) == (good.site.name, good.label)
        assert evidence.backup.as_of
        assert evidence.rpo.seconds is not None
    leader(stack.estate).do(postgres.switch_wal())  # wakes archivers that wait after a failure
    settled(stack)
    stack.inv("restore-drill", *at, "--backup", good.label, within=300)
    assert remains(stack) == []
    assert members(stack) == before
