"""Whatever is wrong with a backup, a drill of it ends red, says what was found, and leaves nothing behind."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runbooks.core.errors import Undone
from runbooks.core.procedure import Step, carry_out
from runbooks.restore_drill import RUNBOOK, STEPS
from tests.drills.sabotage.breaking import put_back
from tests.drills.sabotage.cases import CASES, Case
from tests.drills.sabotage.conftest import Good
from tests.drills.sabotage.drilled import evidence_of, members, outcomes, remains
from tests.drills.stack import Stack

pytestmark = pytest.mark.drill

EVERY = [pytest.param(case, id=name, marks=() if case.always else pytest.mark.full) for name, case in CASES.items()]


def sabotaged(case: Case) -> tuple[Step, ...]:
    """Return the steps of a drill with the sabotage among them."""
    place = next(number for number, step in enumerate(STEPS) if step.do is case.before)
    return (*STEPS[:place], Step("Sabotage", case.breaks), *STEPS[place:])


@pytest.mark.parametrize("case", EVERY)
def test_a_drill_catches(stack: Stack, good: Good, case: Case) -> None:
    """The check that must find it fails and says so, in evidence that is signed and locked like any other."""
    before = members(stack)
    settings, secrets = stack.estate.settings, stack.estate.secrets
    arguments = {"site": good.site.name, "backup": good.label}
    with put_back(stack, good.site), pytest.raises(Undone, match=f"backup {good.label} of .* is NOT proved"):
        carry_out(replace(RUNBOOK, steps=sabotaged(case)), settings, secrets, arguments=arguments)
    evidence = evidence_of(stack, stack.last_record()["id"])
    found = {check.name: check.found for check in evidence.every_check}
    print(*(f"{name}: {found[name]}" for name, outcome in outcomes(evidence).items() if outcome == "failed"), sep="\n")
    assert not evidence.proved
    assert outcomes(evidence)[case.caught_by] == "failed"
    assert case.says in found[case.caught_by]
    assert {outcomes(evidence)[name] for name in case.missed_by} <= {"passed"}
    assert remains(stack) == []
    assert members(stack) == before
