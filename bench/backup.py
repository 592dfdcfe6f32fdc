"""How long a backup takes: our runbook beside the manual way and its peers, on the same data, in turns.

    python -m bench.backup --stack dev --rounds 5

Writes docs/bench-backup.md, and the manual way's median as the baseline of `backup` into the stack's ledger. Nothing
else should run on the machine. The stack needs its data first (`./inv seed`): at least 2 GB for a figure to be quoted.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from bench.backup_ways import Way, Ways
from bench.baseline import baseline
from infra.settings import ROOT
from runbooks.adapters import postgres
from runbooks.core.command import Command
from runbooks.core.host import Estate
from runbooks.core.leader import leader
from runbooks.core.ledger import Ledger, Record
from runbooks.core.session import open_stack

# Version 1 of the control groups, else version 2; both count since the container's start.
V1, V2 = "/sys/fs/cgroup/cpuacct/cpuacct.usage", "/sys/fs/cgroup/cpu.stat"
CPU = f"cat {V1} 2>/dev/null || awk '/usage_usec/ {{print $2 * 1000}}' {V2}"


@dataclass
class Taken:
    """What one way took, run by run: seconds by step, CPU seconds of the site's containers, bytes sent."""

    way: Way
    seconds: list[dict[str, float]] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)

    @property
    def total(self) -> float:
        """Median of the whole, in seconds."""
        return median(self.totals)

    @property
    def totals(self) -> list[float]:
        """The whole of each run, in seconds."""
        return [sum(run.values()) for run in self.seconds]

    def step(self, title: str) -> float:
        """Median of one step, in seconds."""
        return median(run[title] for run in self.seconds)


def main() -> None:
    """Take every way in turn, round by round, and write what was seen."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--stack", default="dev")
    options.add_argument("--rounds", type=int, default=5)
    asked = options.parse_args()
    settings, secrets = open_stack(asked.stack)
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        with Estate(settings, secrets) as estate:
            size = leader(estate).ask(postgres.databases_bytes())
            ways = Ways(estate, folder)
            ways.install_barman()
            ways.write_passfile()
            taken = [Taken(way) for way in ways.all()]
            for turn in range(asked.rounds):
                for each in taken if turn % 2 == 0 else reversed(taken):
                    take(estate, each)
                    print(f"round {turn + 1}: {each.way.name}: {sum(each.seconds[-1].values()):.1f} s", flush=True)
            ways.clear()
            stores = [estate.store(site) for site in settings.sites]
            ledger = Ledger(ROOT, settings.stack, stores)
            ours = [record for record in ledger.all() if record.runbook == "backup" and not record.baseline]
            ledger.append(_by_hand(taken[0], settings.stack, size))
    finally:
        shutil.rmtree(folder)
    page = table(taken, size, asked.rounds) + overhead(taken[1], taken[2], ours[-asked.rounds :])
    (ROOT / "docs" / "bench-backup.md").write_text(page)


def take(estate: Estate, taken: Taken) -> None:
    """Run one way once."""
    before, seconds = cpu(estate), {}
    for title, act in taken.way.steps:
        start = time.monotonic()
        act()
        seconds[title] = time.monotonic() - start
    taken.seconds.append(seconds)
    taken.cpu.append(cpu(estate) - before)
    taken.sent.append(taken.way.sizes())


def cpu(estate: Estate) -> float:
    """Return the CPU seconds that the databases, backups and stores have used so far."""
    members = [estate.member(site, role) for site in estate.settings.sites for role in ("db", "backup", "store")]
    return sum(member.ask(Command(argv=("sh", "-c", CPU), parse=float)) for member in members) / 1e9


def _by_hand(manual: Taken, stack: str, size: int) -> Record:
    return baseline(
        "backup",
        stack,
        manual.total,
        steps={title: manual.step(title) for title, _ in manual.way.steps},
        figures={"database_bytes": size, "bytes": int(median(manual.sent)), "runs": len(manual.seconds)},
        source="bench/backup.py, the manual way",
        commands=manual.way.commands,
    )


def table(taken: list[Taken], size: int, rounds: int) -> str:
    """Return the page: every way's medians, beside the manual way and beside pgBackRest typed by hand."""
    manual, ours, hand = taken[0].total, taken[1].total, taken[2].total
    rows = [
        f"| {each.way.name} | {each.total:.1f} | {min(each.totals):.1f} to {max(each.totals):.1f} "
        f"| {each.total / manual:.2f} | {median(each.cpu):.1f} | {_megabytes(median(each.sent))} |"
        for each in taken
    ]
    steps = [
        f"| {each.way.name} | {', '.join(f'{t} {each.step(t):.1f}' for t, _ in each.way.steps)} |" for each in taken
    ]
    return "\n".join(
        (
            "# Backup, beside other ways",
            "",
            f"{rounds} rounds in alternating order on {size / 1e9:.2f} GB, written by `python -m bench.backup` on "
            f"{datetime.now(UTC):%Y-%m-%d}. Seconds are medians; CPU seconds are those of both sites' database, backup "
            "and store containers, without the operator's own machine.",
            "",
            "| way | s | range | of manual | CPU s | MB sent |",
            "| --- | --- | --- | --- | --- | --- |",
            *rows,
            "",
            f"`inv backup` takes {ours / hand:.2f} of the two by hand, and {ours / manual:.2f} of the manual way.",
            "",
            "| way | its steps, s |",
            "| --- | --- |",
            *steps,
            "",
        )
    )


def overhead(ours: Taken, hand: Taken, records: list[Record]) -> str:
    """Return where our own time goes, step by step, from the ledger's `records` of these very runs."""
    steps = {step.title: median(_seconds(record, step.title) for record in records) for step in records[0].steps}
    copied = median(_copying(record) for record in records)
    rows = [f"| {title} | {seconds:.1f} |" for title, seconds in steps.items()]
    rest = ours.total - median(record.seconds for record in records)
    return "\n".join(
        (
            "",
            "## Where the runbook's time goes",
            "",
            "| | s |",
            "| --- | --- |",
            f"| Starting up, the lease, the prechecks and the record | {rest:.1f} |",
            *rows,
            f"| of all this pgBackRest itself, the longer of the two at once | {copied:.0f} |",
            f"| the two pgBackRest by hand, one after the other | {hand.total:.1f} |",
            "",
        )
    )


def _seconds(record: Record, title: str) -> float:
    return sum(step.seconds for step in record.steps if step.title == title)


def _copying(record: Record) -> float:
    return max(float(each["seconds"]) for each in record.figures["repositories"].values())


def _megabytes(count: float) -> str:
    return f"{count / 1e6:.0f}" if count else "-"


if __name__ == "__main__":
    main()
