"""Customers who pay while a run is at work, begun by one of its steps and ended by another, or with its runner."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from runbooks.adapters import credit
from runbooks.adapters.credit import Audit
from runbooks.core.customers import Customers
from runbooks.core.errors import NotReady
from runbooks.core.figures import Figures
from runbooks.core.leader import leader
from runbooks.core.run import Run
from runbooks.pay import audited, customers, unpaid

AT_MOST = 300  # seconds of payments there must be instalments for
BESIDE = 1000  # instalments more, for whoever else pays meanwhile

_live: dict[str, Customers] = {}
_instalments: dict[str, list[tuple[int, int, int]]] = {}


def rate(run: Run) -> int:
    """Return how many payments a second are made."""
    return int(run.arguments["rate"])


def there_is_enough_to_pay(run: Run) -> None:
    """A precheck: NotReady where too few instalments are unpaid."""
    if rate(run) < 1:
        raise NotReady("--rate must be at least 1")
    _instalments[run.id] = unpaid(run.estate, rate(run) * AT_MOST + BESIDE)


def others(run: Run) -> list[tuple[int, int, int]]:
    """Return unpaid instalments that these customers leave to others."""
    return _instalments.get(run.id, [])[:BESIDE]


def begin(run: Run) -> None:
    """Start paying through every gateway."""
    if run.planning:
        names = " and ".join(site.name for site in run.settings.sites)
        run.estate.console.print(f"      {rate(run)} payments/s through the gateways of {names}")
        return
    if run.resumed:
        return  # what its customers saw died with its runner
    end(run)
    probe = customers(run.estate, rate(run), AT_MOST, _instalments[run.id][BESIDE:]).start()
    _live[run.id] = probe
    run.remember("acknowledged", probe.order.acknowledged)
    run.remember("gateways", list(probe.order.gateways))


def flow(run: Run) -> bool:
    """Say whether payments are acknowledged at each gateway."""
    return run.resumed or all(paid(run)[name] for name in run.recall("gateways", ["none"]))


def paid(run: Run) -> Counter[str]:
    """Return how many payments were acknowledged until now, by gateway: they are paid through in turn."""
    names, file = run.recall("gateways", []), Path(run.recall("acknowledged", "/nonexistent"))
    if not file.exists():
        return Counter()
    keys = (line.partition("\t")[0] for line in file.read_text().splitlines())
    return Counter(names[int(number) % len(names)] for _, _, number in (key.rpartition("-") for key in keys) if number)


def end(run: Run) -> None:
    """End the payments, without a word about them."""
    if probe := _live.pop(run.id, None):
        probe.__exit__(None, None, None)


def count(run: Run) -> Figures | None:
    """Stop paying, ask the database for every acknowledged payment, and note it all.

    After its runner's death there are no figures (None), but maybe still the file of what was acknowledged.
    """
    probe = _live.pop(run.id, None)
    if probe is None:
        if (file := Path(run.recall("acknowledged", "/nonexistent"))).exists():
            _note(run, leader(run.estate).ask(credit.audit(run.settings.cluster, file.stem, file.read_text())))
        return None
    figures = probe.stop()
    _note(run, audited(run.estate, probe))
    run.figures |= {
        "rate": figures.rate,
        "sent": figures.sent,
        "retried": figures.retried,
        "failed_requests": figures.failed_requests,
        "outage_seconds": {name: seen.write_stall_seconds for name, seen in figures.gateways.items()},
    }
    run.remember("void", figures.void)
    return figures


def _note(run: Run, audit: Audit) -> None:
    run.figures |= {"acknowledged": audit.acknowledged, "lost_payments": audit.lost}
    wrong = {"altered": audit.altered, "twice": audit.twice, "misposted": audit.misposted}
    found = [f"{count} {word}" for word, count in wrong.items() if count] + list(audit.problems)
    run.remember("books", "; ".join(found))
