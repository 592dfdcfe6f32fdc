"""Carrying out a runbook: plan it, or hold the lease and take its steps, timed, journalled, undone on failure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from infra.settings import Settings
from runbooks.core.errors import Exit
from runbooks.core.run import Run, Runbook, Step

if TYPE_CHECKING:
    from infra.secrets import Secrets

__all__ = ["Run", "Runbook", "Step", "carry_out"]


def carry_out(
    runbook: Runbook,
    settings: Settings,
    secrets: Secrets,
    *,
    plan: bool = False,
    yes: bool = False,
    resume: bool = False,
    arguments: Mapping[str, str] | None = None,
) -> Exit:
    """Carry out `runbook` and return DONE or DEGRADED; any other end is raised as a SeparuhError with its exit code.

    A dead run found on the way is finished first, or undone; `resume` does only that. `plan` changes nothing.
    """
    raise NotImplementedError
