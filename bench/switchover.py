"""How long customers wait while the leader moves: our runbook beside patronictl and the manual way, under payments.

    python -m bench.switchover --stack dev --rounds 50 --others 10

Each move is made under a probe of its own, to the site that stands by, so that they alternate. Writes
docs/bench-switchover.md, and the manual way's medians as the baseline of `switchover` into the stack's ledger. Nothing
else should run on the machine. The stack needs unpaid instalments (`./inv seed --loans 100000`).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import median

from bench.baseline import baseline
from bench.spread import plot
from bench.switchover_ways import Way, Ways
from infra.settings import ROOT
from runbooks.core.customers import Customers
from runbooks.core.errors import SeparuhError
from runbooks.core.figures import Figures, quantile
from runbooks.core.host import Estate
from runbooks.core.ledger import Ledger, Record
from runbooks.core.session import open_stack
from runbooks.pay import audited, customers

AT_MOST = 120  # seconds of payments there must be instalments for


@dataclass(frozen=True)
class Move:
    """One move as its customers saw it, and the seconds of each of its steps."""

    to: str
    steps: dict[str, float]
    figures: Figures
    lost: int

    @property
    def stall(self) -> float:
        """The longest wait for an acknowledgement, in seconds, at the gateway where it was worst."""
        return self.figures.write_stall_seconds


@dataclass
class Taken:
    """Every move made in one way."""

    way: Way
    moves: list[Move] = field(default_factory=list)

    def worst(self, part: float) -> float:
        """Return the stall that `part` of the moves did not exceed, in seconds."""
        return quantile(sorted(move.stall for move in self.moves), part) or 0.0

    def total(self, count: Callable[[Move], int]) -> int:
        """Add up over all moves."""
        return sum(map(count, self.moves))

    @property
    def seconds(self) -> float:
        """Median of the whole, in seconds."""
        return median(sum(move.steps.values()) for move in self.moves)


def main() -> None:
    """Move the leader to and fro in every way, in turns, and write what was seen."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--stack", default="dev")
    options.add_argument("--rounds", type=int, default=50)
    options.add_argument("--others", type=int, default=10, help="moves in each of the other ways")
    options.add_argument("--rate", type=int, default=200)
    asked = options.parse_args()
    settings, secrets = open_stack(asked.stack)
    with Estate(settings, secrets) as estate:
        ways = Ways(estate)
        taken = [Taken(way) for way in ways.all()]
        for turn in range(asked.rounds):
            for each in taken if turn < asked.others else taken[:1]:
                move(estate, ways, each, asked.rate)
            kept = f"bench-switchover{'' if asked.stack == 'dev' else f'-{asked.stack}'}.md"
            (ROOT / "docs" / kept).write_text(page(taken, asked.stack, asked.rate))
        ledger = Ledger(ROOT, settings.stack, [estate.store(site) for site in settings.sites])
        if taken[-1].moves:
            ledger.append(_by_hand(taken[-1], settings.stack, asked.rate))


def move(estate: Estate, ways: Ways, taken: Taken, rate: int) -> None:
    """Move the leader once, under payments, and let the standby come back into sync before the next."""
    ways.settle()
    source, target = ways.ends()
    with customers(estate, rate, AT_MOST) as probe:
        ways.wait_for_payments(probe)
        steps = taken.way.move(source, target)
        ways.settle()
        figures, lost = probe.stop(), audit(estate, probe)
    taken.moves.append(Move(target.name, steps, figures, lost))
    print(
        f"{taken.way.name} to {target.name}: stall {figures.write_stall_seconds:.2f} s, "
        f"{figures.failed_requests} failed, {figures.retried} retried, {lost} lost"
        + (f"; void: {figures.void}" if figures.void else ""),
        flush=True,
    )


def audit(estate: Estate, probe: Customers) -> int:
    """Return how many acknowledged payments are lost; SeparuhError where the books are wrong in another way."""
    found = audited(estate, probe)
    if not found.holds and not found.lost:
        raise SeparuhError(f"acknowledged payments are not as they were acknowledged: {found}")
    return found.lost


def _by_hand(manual: Taken, stack: str, rate: int) -> Record:
    steps = {title: median(move.steps[title] for move in manual.moves) for title in manual.moves[0].steps}
    return baseline(
        "switchover",
        stack,
        manual.seconds,
        steps=steps,
        figures={
            "rate": rate,
            "runs": len(manual.moves),
            "write_stall_seconds": manual.worst(0.5),
            "failed_requests": manual.total(lambda move: move.figures.failed_requests),
            "lost_payments": manual.total(lambda move: move.lost),
        },
        source="bench/switchover.py, by hand",
        commands=manual.way.commands,
    )


def page(taken: list[Taken], stack: str, rate: int) -> str:
    """Return the page: every way's stalls and failures, and the distribution of each."""
    rows = [
        f"| {each.way.name} | {len(each.moves)} | {each.worst(0.5):.2f} | {each.worst(0.9):.2f} | {each.worst(1):.2f} "
        f"| {each.total(lambda move: move.figures.failed_requests)} | {each.total(lambda move: move.figures.retried)} "
        f"| {each.total(lambda move: move.lost)} | {each.total(lambda move: move.figures.sent)} | {each.seconds:.1f} |"
        for each in taken
        if each.moves
    ]
    void = sum(bool(move.figures.void) for each in taken for move in each.moves)
    return "\n".join(
        (
            "# Switchover, beside other ways",
            "",
            f"Moves of `{stack}` in both directions at {rate} payments a second through both gateways, written by "
            f"`python -m bench.switchover` on {datetime.now(UTC):%Y-%m-%d}. A stall is the longest time without an "
            "acknowledged payment in a move, at the gateway where it was worst; failed are payments without an "
            "acknowledgement within 10 s and without a retry by the customer; retried those that credit-api repeated "
            "by itself. The last column is the whole move, until the standby is in sync again."
            + (f" In {void} of the moves the probe was late itself, or sent too little." if void else ""),
            "",
            "| way | moves | stall s, median | 90 % | worst | failed | retried | lost | paid | whole s, median |",
            "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
            *rows,
            "",
            *(
                line
                for each in taken
                if each.moves
                for line in (f"## {each.way.name}", "", *plot([move.stall for move in each.moves]), "")
            ),
            *(line for each in taken if each.moves for line in commands(each)),
        )
    )


def commands(taken: Taken) -> list[str]:
    """Return what is typed in this way."""
    return [f"{taken.way.name}, typed:", "", *(f"    {line}" for line in taken.way.commands), ""]


if __name__ == "__main__":
    main()
