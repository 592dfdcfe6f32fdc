"""How long customers are without when the leader falls, by each kind of fault: game days in turns, in both directions.

    python -m bench.failover --stack dev --rounds 10

Each is one `inv drill.failover`, whose record and evidence are kept; the leader is at the other site afterwards,
so they alternate. Writes docs/bench-failover.md. Nothing else should run on the machine. The stack needs unpaid
instalments (`./inv seed --loans 100000`).
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from bench.spread import plot
from infra.settings import ROOT
from runbooks.core.errors import SeparuhError
from runbooks.core.figures import quantile
from runbooks.core.ledger import Ledger
from runbooks.core.session import open_stack
from runbooks.drill import RUNBOOK, failover

KINDS = (("process", ""), ("leader", ""), ("site", ""), ("link", "both"), ("link", "in"), ("link", "out"))


@dataclass
class Held:
    """The game days of one kind; `figures` are those of their records."""

    kind: str
    direction: str
    figures: list[dict[str, Any]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """What it is called in the page."""
        return f"{self.kind}, {self.direction}" if self.direction else self.kind

    def measured(self, figure: str) -> list[float]:
        """Return the values of a figure that there are."""
        return [each[figure] for each in self.figures if each.get(figure) is not None]

    def worst(self, figure: str, part: float) -> str:
        """Return the value of a figure that `part` of the game days did not exceed."""
        value = quantile(sorted(self.measured(figure)), part)
        return "-" if value is None else f"{value:.1f}"

    def total(self, figure: str) -> int:
        """Add a figure up."""
        return sum(each.get(figure) or 0 for each in self.figures)


def main() -> None:
    """Hold all game days, and write what was seen."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--stack", default="dev")
    options.add_argument("--rounds", type=int, default=10)
    options.add_argument("--rate", type=int, default=100)
    options.add_argument("--kinds", nargs="*", help="these alone, such as site link-in (else all)")
    asked = options.parse_args()
    held = [Held(*each) for each in KINDS if not asked.kinds or "-".join(filter(None, each)) in asked.kinds]
    for n in range(asked.rounds):
        for each in held if n % 2 == 0 else reversed(held):  # each kind from either site: all but one move the leader
            each.figures.append(hold(asked.stack, each, asked.rate))
        (ROOT / "docs" / "bench-failover.md").write_text(page(held, asked.rate))


def hold(stack: str, held: Held, rate: int) -> dict[str, Any]:
    """Hold one game day and return its figures, those of one that was not survived too."""
    settings, _ = open_stack(stack)
    try:
        failover(stack, held.kind, held.direction, rate=rate, yes=True)
    except SeparuhError as failure:
        print(failure, flush=True)
    record = [each for each in Ledger(ROOT, settings.stack).all() if each.runbook == RUNBOOK.name][-1]
    return dict(record.figures)


def page(held: Sequence[Held], rate: int) -> str:
    """Return the page: what customers saw of each kind, and how it is spread."""
    rows = [
        f"| {each.name} | {len(each.figures)} | {_directions(each)} | {each.worst('rto_seconds', 0.5)} "
        f"| {each.worst('rto_seconds', 0.9)} | {each.worst('rto_seconds', 1)} | {each.worst('leader_seconds', 0.5)} "
        f"| {each.worst('rejoined_seconds', 0.5)} | {each.total('acknowledged')} | {each.total('lost_payments')} "
        f"| {each.total('second_leader_writes')} | {each.total('proved')} |"
        for each in held
    ]
    return "\n".join(
        (
            "# Failover, by kind of fault",
            "",
            f"Game days under {rate} payments a second, by `python -m bench.failover` on {datetime.now(UTC):%Y-%m-%d}. "
            "The RTO is the longest time without an acknowledged payment at a gateway that can serve while the fault "
            "lasts: both gateways when a process or a container falls, the other site's when a site falls or is cut "
            "off. A second leader is a write that the old leader acknowledged after one of the new leader, of all "
            "that were tried by every path from both sites. Proved are those that passed every check.",
            "",
            "| fault | times | from | RTO s, median | 90 % | worst | new leader s | in sync again s | paid | lost "
            "| second leader | proved |",
            "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
            *rows,
            "",
            "New leader: from the order to strike, which with containers takes effect a moment later, to another that "
            "takes writes, while the RTO begins with the last payment before; in sync again: from the fault's end. "
            "Both are medians.",
            "",
            *(line for each in held for line in (f"## {each.name}", "", *plot(each.measured("rto_seconds")), "")),
        )
    )


def _directions(held: Held) -> str:
    counts = Counter(each["from"] for each in held.figures if "from" in each)
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


if __name__ == "__main__":
    main()
