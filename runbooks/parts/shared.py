"""What the cluster's members share, brought to what the stack's config says: no file of a member reaches it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from typing import Any

from rich.console import Console

from infra import cluster
from infra.secrets import Secrets
from infra.settings import Settings
from runbooks.adapters import patroni, postgres
from runbooks.core.errors import NotReady
from runbooks.core.hold import holding
from runbooks.core.host import Estate
from runbooks.core.leader import leader

NEEDS_RESTART = "postgresql.parameters."


def settle(settings: Settings, secrets: Secrets, planning: bool, console: Console, leased: bool = False) -> None:
    """Say what differs between the running cluster and the config and, unless `planning`, set it there.

    The lease is held for that, unless it is `leased` already.

    NotReady where no leader answers; a plan is made without one too.
    """
    with Estate(settings, secrets) as estate:
        wanted = cluster.shared(settings)
        try:
            member = leader(estate)
        except NotReady:
            if planning:
                return
            raise
        found: dict[str, Any] = member.ask(patroni.shared())
        differences = list(_differences(found, wanted))
        for difference in differences:
            console.print(f"cluster: {difference}")
        gets_in = member.ask(postgres.rewind_gets_in())
        if not gets_in:
            console.print("cluster: pg_rewind gets a connection also where customers have all the others")
        if planning or (gets_in and not differences):
            return
        with nullcontext() if leased else holding(settings, secrets, "up"):
            if differences:
                member.do(patroni.share(wanted))
            if not gets_in:
                member.do(postgres.let_rewind_in())


def _differences(found: Mapping[str, Any], wanted: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """Yield a line for each value that is not as wanted. What the config does not name is left alone."""
    for key, value in wanted.items():
        name, there = f"{above}{key}", found.get(key)
        if isinstance(value, Mapping):
            yield from _differences(there or {}, value, f"{name}.")
        elif there != value:
            after = " (at PostgreSQL's next restart)" if above == NEEDS_RESTART else ""
            yield f"{name} {there} -> {value}{after}"
