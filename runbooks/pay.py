"""Pay instalments as customers do, through both sites' gateways, then ask the database about every one of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from math import ceil
from pathlib import Path

from rich.table import Table

from infra.settings import ROOT, Settings, Site, published
from runbooks.adapters import credit
from runbooks.adapters.credit import Audit
from runbooks.core.customers import Customers
from runbooks.core.errors import Exit, Failed, NotReady
from runbooks.core.figures import Figures
from runbooks.core.hint import Screen
from runbooks.core.host import Estate, Host
from runbooks.core.leader import leader
from runbooks.core.ledger import new_id
from runbooks.core.probe import Order
from runbooks.core.session import open_stack


def pay(stack: str, rate: float, seconds: float, as_json: bool = False) -> Exit:
    """Send `rate` payments a second for `seconds`, check them, print what was seen.

    Returns DONE, or DEGRADED where a request failed or the run is void. Raises Failed when an acknowledged payment is
    not there exactly once, or the books do not balance; the file of what was acknowledged is then kept.
    """
    if rate <= 0 or seconds <= 0:
        raise NotReady("--rate and --seconds must be more than 0")
    settings, secrets = open_stack(stack)
    with Estate(settings, secrets) as estate, customers(estate, rate, seconds) as probe:
        figures = probe.wait()
        audit = audited(estate, probe)
    return tell(settings, figures, audit, as_json)


def tell(settings: Settings, figures: Figures, audit: Audit, as_json: bool = False) -> Exit:
    """Print what customers saw; return DONE or DEGRADED. Failed where an acknowledged payment is not there."""
    if as_json:
        print(json.dumps({"figures": figures.dump(), "audit": asdict(audit)}, indent=2))
    else:
        _show(Screen(settings.stack), settings, figures, audit)
    if not audit.holds:
        folder = ROOT / ".separuh" / settings.stack / "probe"
        raise Failed(f"acknowledged payments are not as they were acknowledged; the last file in {folder} names them")
    return Exit.DEGRADED if figures.void or figures.failed_requests else Exit.DONE


def customers(
    estate: Estate,
    rate: float,
    seconds: float,
    payments: Sequence[tuple[int, int, int]] = (),
    sites: Sequence[Site] = (),
) -> Customers:
    """Return customers who pay real unpaid instalments for at most `seconds`, not started yet; `payments`, else any.

    For any runbook: `with customers(…) as probe`, then `probe.stop()` and `audited(estate, probe)`. They pay
    at the gateways of `sites`, else at both.
    """
    settings = estate.settings
    payments = payments or unpaid(estate, ceil(rate * seconds))
    run = new_id("pay")
    return Customers(
        Order(
            run=run,
            gateways={
                site.name: f"http://{site.publish.address}:{published(site, 'gateway')}"
                for site in sites or settings.sites
            },
            rate=rate,
            seconds=seconds,
            payments=payments,
            acknowledged=str(ROOT / ".separuh" / settings.stack / "probe" / f"{run}.tsv"),
        )
    )


def unpaid(estate: Estate, wanted: int, at: Host | None = None) -> list[tuple[int, int, int]]:
    """Return so many unpaid instalments: loan, number and rupiah, as the database `at` knows them, else the leader's.

    NotReady where there are fewer.
    """
    settings = estate.settings
    payments = (at or leader(estate)).ask(credit.payable(settings.cluster, wanted))
    if len(payments) < wanted:
        raise NotReady(
            f"{wanted} payments are wanted and {len(payments)} instalments are unpaid on stack {settings.stack}: "
            f"make more with ./inv seed --loans N --stack {settings.stack}"
        )
    return payments


def audited(estate: Estate, probe: Customers) -> Audit:
    """Ask the database for every payment that `probe` saw acknowledged; forget the file when all is well."""
    order = probe.order
    audit = leader(estate).ask(credit.audit(estate.settings.cluster, order.run, probe.acknowledged()))
    if audit.holds:
        Path(order.acknowledged).unlink()
    return audit


def _show(console: Screen, settings: Settings, figures: Figures, audit: Audit) -> None:
    title = f"stack {settings.stack}: {figures.rate:g} payments/s for {figures.seconds:g} s, latencies in ms"
    table = Table(title=title, box=None, padding=(0, 1))
    for heading in ("gateway", "sent", "paid", "failed", "retried", "p50", "p90", "p99", "max", "stall s"):
        table.add_column(heading, justify="left" if heading == "gateway" else "right")
    for name, seen in figures.gateways.items():
        latencies = ("-" if value is None else f"{value:.1f}" for value in (seen.p50, seen.p90, seen.p99, seen.max))
        numbers = (seen.sent, seen.acknowledged, seen.failed_requests, seen.retried)
        table.add_row(name, *map(str, numbers), *latencies, f"{seen.write_stall_seconds:.2f}")
    console.print(table)
    for name, seen in figures.gateways.items():
        for reason, times in seen.reasons.items():
            console.print(f"{name}: {times} failed with {reason}")
    console.print(
        f"database: {audit.acknowledged} acknowledged, {audit.lost} lost, {audit.altered} altered, "
        f"{audit.twice} twice, {audit.misposted} misposted, {audit.unacknowledged} paid without an answer; books "
        + ("balance" if not audit.problems else f"do not balance: {'; '.join(audit.problems)}")
    )
    if figures.void:
        console.print(f"void: {figures.void}")
