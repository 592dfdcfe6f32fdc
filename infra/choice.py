"""Which engine carries out the declarations: Pulumi's own, or the embedded one. The first `up` decides for good."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from infra import pulumi_cli
from infra.embedded_objects import Refused
from infra.engines import Engines
from infra.present import ENGINE_LABEL, labels, look
from infra.say import Say

PULUMI, EMBEDDED = "pulumi", "embedded"


@dataclass(frozen=True)
class Choice:
    """An engine, why it, and Pulumi's command line where it is Pulumi's."""

    engine: str
    why: str
    cli: Path | None = None


def choose(engines: Engines, say: Say, only: Collection[str] = ()) -> Choice:
    """Return the engine that made the stack, else the one of the settings, else Pulumi's where it can be had.

    Raises Refused where that engine is not to be had here, or the settings name another than the one that made it.
    """
    settings = engines.settings
    made_by = maker(engines, only)
    if made_by and settings.engine not in ("auto", made_by):
        raise Refused(
            f"stack {settings.stack} was made by the engine {made_by} (a label on its network), and the settings say "
            f"{settings.engine}: set engine: {made_by}, or take it down first and keep its volumes"
        )
    wanted = made_by or (PULUMI if settings.production else settings.engine)
    reason = (
        "it made this stack" if made_by else "the settings say so" if settings.engine != "auto" else "it can be had"
    )
    if wanted == EMBEDDED:
        return Choice(EMBEDDED, reason)
    cli = pulumi_cli.ensure(say)
    if cli:
        return Choice(PULUMI, f"{reason} ({cli})", cli)
    if wanted == PULUMI:
        raise Refused(
            f"stack {settings.stack} needs Pulumi's engine, and its command line is not here: {pulumi_cli.why_not()}. "
            "Install it and put `pulumi` on the PATH"
        )
    return Choice(EMBEDDED, pulumi_cli.why_not())


def refuse_embedded(engines: Engines, only: Collection[str]) -> None:
    """Raise Refused where the embedded engine made the stack: Pulumi's state knows of none of it."""
    if maker(engines, only) == EMBEDDED:
        raise Refused(
            f"stack {engines.settings.stack} was made by the embedded engine (a label on its network): go on with "
            "`./inv up`, or `./inv down`, which keeps its volumes, and then `pulumi up`"
        )


def maker(engines: Engines, only: Collection[str] = ()) -> str:
    """Return which engine made the stack, by the label on a network of a place, or nothing where none stands."""
    for place in only or engines.places:
        networks = look(engines.client(place), engines.settings.stack).found["network"]
        for network in networks.values():
            if name := labels("network", network).get(ENGINE_LABEL):
                return str(name)
    return ""
