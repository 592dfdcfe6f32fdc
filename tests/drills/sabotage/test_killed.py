"""A drill's runner killed at any step: the run is finished by the next, and nothing of it stays."""

from __future__ import annotations

import time

import pytest

from runbooks.parts import throwaway
from runbooks.restore_drill import STEPS
from tests.drills.sabotage.conftest import Good
from tests.drills.sabotage.drilled import evidence_of, members, outcomes, remains
from tests.drills.stack import Stack, kill, until

pytestmark = pytest.mark.drill

RESTORING = 1 + next(number for number, step in enumerate(STEPS) if step.do is throwaway.restore)
EVERY = [
    pytest.param(number, share, id=f"{number} {when}", marks=() if number == RESTORING and share else pytest.mark.full)
    for number in range(1, len(STEPS) + 1)
    for when, share in (("begun", 0.0), ("middle", 0.4))
]


@pytest.mark.parametrize(("step", "share"), EVERY)
def test_a_killed_runner_leaves_nothing(stack: Stack, good: Good, step: int, share: float) -> None:
    """Killed when `share` of the seconds that the step took undisturbed are over."""
    before, since = members(stack), stack.journals()
    runner = stack.begin("restore-drill")
    until(lambda: stack.reached(step, since) or runner.poll() is not None, 120, f"step {step}")
    time.sleep(share * float(good.record["steps"][step - 1]["seconds"]))
    assert runner.poll() is None
    kill(runner)
    stack.end_lease()
    if stack.dead_run() is None:
        assert (step, share) == (1, 0.0), "only a run that has made nothing yet may be forgotten"
    else:
        said = stack.inv("restore-drill", "--resume", within=300)
        assert "finishing it" in said
        record = stack.last_record()
        assert record["outcome"] == "done", said
        evidence = evidence_of(stack, record["id"])
        assert evidence.proved, outcomes(evidence)
    assert remains(stack) == []
    assert stack.dead_run() is None
    assert members(stack) == before
