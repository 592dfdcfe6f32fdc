"""Carrying out a runbook: plan it, or hold the lease and take its steps, timed, journalled, undone on failure."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from infra.settings import ROOT, Place, Settings
from runbooks.core.errors import Exit, NotReady
from runbooks.core.hint import Screen
from runbooks.core.hold import keepers
from runbooks.core.host import Estate
from runbooks.core.journal import Head
from runbooks.core.ledger import Ledger, new_id
from runbooks.core.origin import commit, now, operator
from runbooks.core.plan import show
from runbooks.core.run import Run, Runbook, Step
from runbooks.core.shift import Shift
from runbooks.core.signals import interruptible

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
    keeper: Place | None = None,
) -> Exit:
    """Carry out `runbook` and return DONE or DEGRADED; any other end is raised as a SeparuhError with its exit code.

    A dead run found on the way is finished first, or undone; `resume` does only that. `plan` changes nothing. `keeper`:
    the place whose etcd is asked for the lease before the others.
    """
    console = Screen(settings.stack)
    console.print(f"stack {settings.stack}: {runbook.title}")
    with interruptible(), Estate(settings, secrets, plan_only=plan, console=console) as estate:
        head = _new_head(runbook, arguments or {})
        ledger = Ledger(ROOT, settings.stack, [estate.store(site) for site in settings.sites])
        shift = Shift(estate, keepers(estate, keeper), ledger, ROOT)
        if plan:
            show(runbook, shift.run(head, planning=True), shift.usual(runbook.name))
            return Exit.DONE
        if runbook.touches_serving and not resume:
            _consent(yes, settings, runbook)
        with shift.leased(runbook, head, wait=resume):
            if resume:
                return shift.resume()
            shift.settle_dead_run()
            return shift.begin(runbook, head)


def _consent(yes: bool, settings: Settings, runbook: Runbook) -> None:
    """Ask before customers could notice something; NotReady where nobody can answer, or the answer is no."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise NotReady(f"{runbook.name} touches serving and nobody can be asked here: look with --plan, go with --yes")
    if input(f"{runbook.title} on stack {settings.stack}: go? [y/N] ").strip().lower() not in ("y", "yes"):
        raise NotReady("not agreed to; nothing was changed")


def _new_head(runbook: Runbook, arguments: Mapping[str, str]) -> Head:
    return Head(
        id=new_id(runbook.name),
        runbook=runbook.name,
        arguments=dict(arguments),
        started_at=now(),
        operator=operator(),
        commit=commit(),
    )
