"""Bring a stack up, or mend what differs from what is declared. A second `up` changes nothing, and says so."""

from __future__ import annotations

import time
from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path

from rich.console import Console

from infra import pulumi_engine
from infra.choice import EMBEDDED, Choice, choose
from infra.collect import Declared, collect
from infra.embedded import ApplyFailed, apply
from infra.embedded_objects import Refused
from infra.embedded_plan import Change, Plan, plan, refuse_losses, summary, table
from infra.engines import Engines
from infra.estate import declare
from infra.local_engine import ensure
from infra.policy import broken
from infra.prepare import Prepared, foresee, prepare
from infra.say import say_on_stderr as say
from infra.secrets import Secrets
from infra.settings import ROOT, Settings
from runbooks.core.account import accounted, take_along
from runbooks.core.errors import Exit, Failed
from runbooks.core.hint import Screen
from runbooks.core.hold import holding
from runbooks.core.host import Estate
from runbooks.core.session import settings_of
from runbooks.health import Health, judge
from runbooks.parts.shared import settle
from runbooks.status import ask_all

READY_SECONDS = 300  # a loaded two-core machine took 100
ANSWER_SECONDS = 10  # nobody waits at a screen for this: a member that is only starting may be slow


def up(stack: str, site: str, plan: bool, yes: bool) -> Exit:
    """Carry out the declarations, wait until the stack serves, and say how it stands.

    `site` alone is touched when it is named. Refused before anything is changed; Failed in the middle, or when the
    stack does not serve within READY_SECONDS: `up` again goes on.
    """
    del yes  # nothing to agree to: an `up` that would take two stateful members refuses by itself
    settings = settings_of(stack)
    only = (settings.site(site).name,) if site else ()
    console = Screen(settings.stack)
    ensure(say)
    with Engines(settings) as engines:
        choice = choose(engines, say, only)
        console.print(f"stack {settings.stack}: engine {choice.engine}: {choice.why}")
        if plan:
            foreseen = foresee(engines, ROOT)
            bring_about(engines, choice, foreseen, only, True, console)
            settle(settings, foreseen.secrets, True, console)
            return Exit.DONE
        with accounted("up", settings) as account:
            with account.step("Prepare secrets and images", "plan"):
                prepared = prepare(engines, ROOT, say, only)
            with account.step("Bring about what is declared"):
                bring_about(engines, choice, prepared, only, False, console)
            with account.step("Wait until the stack serves", "test"):
                await_serving(settings, prepared.secrets, only, console)
            with account.step("Hold the cluster to the config"):
                settle(settings, prepared.secrets, False, console)
    take_along(settings, prepared.secrets)
    return Exit.DONE


def bring_about(
    engines: Engines,
    choice: Choice,
    prepared: Prepared,
    only: Collection[str],
    planning: bool,
    console: Console,
    leased: bool = False,
) -> None:
    """Carry out the declarations for the places in `only`, else for all; the lease is held, unless it is already."""
    alone = nullcontext() if leased else holding(engines.settings, prepared.secrets, "up")
    if choice.engine == EMBEDDED:
        _embedded(engines, prepared, only, planning, console, alone)
    elif choice.cli:
        _pulumi(engines, prepared, choice.cli, only, planning, alone)


def _embedded(
    engines: Engines,
    prepared: Prepared,
    only: Collection[str],
    planning: bool,
    console: Console,
    alone: AbstractContextManager[None],
) -> None:
    settings = engines.settings
    planned: Plan = plan(_declared(settings, prepared, only), engines, only=only)
    if planned.changes:
        console.print(table(planned))
    console.print(summary(planned))
    if planning or not planned.changes:
        return

    def report(change: Change, seconds: float) -> None:
        console.print(f"{change.verb} {change.name} {seconds:.1f} s")

    with alone:
        try:
            for network in apply(planned, engines, report):
                console.print(network)
        except ApplyFailed as failure:
            raise Failed(str(failure)) from failure


def _declared(settings: Settings, prepared: Prepared, only: Collection[str]) -> list[Declared]:
    """Return what the program declares; Refused when that breaks a rule of infra/policy.py."""
    program = partial(declare, settings, prepared.secrets, prepared.pins, only or None)
    declared = collect(program, stack=settings.stack)
    if breaches := broken(settings, declared):
        raise Refused(
            "\n".join((f"stack {settings.stack} is declared against the rules of infra/policy.py:", *breaches))
        )
    return declared


def _pulumi(
    engines: Engines,
    prepared: Prepared,
    cli: Path,
    only: Collection[str],
    planning: bool,
    alone: AbstractContextManager[None],
) -> None:
    settings = engines.settings
    refuse_losses(_declared(settings, prepared, only), engines, only=only)
    if planning:
        pulumi_engine.preview(settings, ROOT, cli, only=only)
        return
    with alone:
        for name in pulumi_engine.start_stopped(engines, only):
            say(f"started {name}")
        try:
            pulumi_engine.up(settings, ROOT, cli, only=only)
        except pulumi_engine.PulumiFailed as failure:
            raise Failed(str(failure)) from failure


def await_serving(settings: Settings, secrets: Secrets, only: Collection[str], console: Console) -> None:
    """Wait until the stack serves, in sync unless a site alone was asked for, and print how it stands."""
    started = time.monotonic()
    with Estate(settings, secrets) as estate:
        while True:
            health = judge(settings, ask_all(estate, time.monotonic() + ANSWER_SECONDS))
            if _ready(health, only):
                break
            if time.monotonic() - started > READY_SECONDS:
                problems = "; ".join(health.problems)
                raise Failed(
                    f"stack {settings.stack} does not serve {READY_SECONDS} s after its containers started: "
                    f"{problems}. `./inv status` shows the rest, `docker logs <container>` why; "
                    "`./inv up` again goes on from there"
                )
            time.sleep(0.5)
    console.print(f"stack {settings.stack} serves after {time.monotonic() - started:.0f} s more")
    for problem in health.problems:
        console.print(f"- {problem}")


def _ready(health: Health, only: Collection[str]) -> bool:
    sites = [place for place in health.places if place.database and (not only or place.name in only)]
    stored = all(place.store == "answers" and place.backup != "unknown" for place in sites)
    return health.serving and (bool(only) or health.in_sync) and stored
