"""How long a restore takes, and a backup with its proof: ours beside the manual way and peers, on the same data.

    python -m bench.restore --stack dev --rounds 3 --slow-rounds 2

Takes the ways in turns and writes docs/bench-restore.md, and two baselines into the stack's ledger: the manual proof
as that of `restore-drill`, the manual backup with its proof as that of `backup and proof`. Nothing else should run on
the machine. The stack needs its data first (`./inv seed`): at least 2 GB for a figure to be quoted. The manual way,
which is slow, is taken in `--slow-rounds` of the rounds.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench.backup import Taken
from bench.baseline import baseline
from bench.restore_page import Seen, page
from bench.restore_ways import RestoreWays
from infra.settings import ROOT
from runbooks.adapters import postgres
from runbooks.core.command import Query
from runbooks.core.evidence import Evidence
from runbooks.core.host import Estate
from runbooks.core.leader import leader
from runbooks.core.ledger import Ledger, Record
from runbooks.core.report import PROVED
from runbooks.core.session import open_stack

PROOF = ("restore", "count rows")  # the manual way's steps that prove, as far as it does
SOURCE = "bench/restore.py, the manual way"
# What a fingerprint reads: the tables without their indexes.
TABLES_BYTES = """
SELECT sum(pg_table_size(oid)) FROM pg_class
 WHERE relkind = 'r' AND relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
"""


@dataclass(frozen=True)
class Asked:
    """The command line."""

    stack: str
    rounds: int
    slow_rounds: int


def main() -> None:
    """Take every way in turn, round by round, and write what was seen."""
    asked = _asked()
    settings, secrets = open_stack(asked.stack)
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        with Estate(settings, secrets) as estate:
            serving = leader(estate)
            size = serving.ask(postgres.databases_bytes())
            tables = serving.ask(Query(sql=TABLES_BYTES, parse=_number, database=settings.cluster))
            ways = RestoreWays(estate, folder)
            try:
                ways.prepare()
                taken = _take_all(ways, asked)
            finally:
                ways.clear()
            ledger = Ledger(ROOT, settings.stack, [estate.store(site) for site in settings.sites])
            for record in _baselines(taken[0], settings.stack, size):
                ledger.append(record)
            runs = ledger.all()
    finally:
        shutil.rmtree(folder)
    drills = _newest(runs, "restore-drill", asked.rounds)
    seen = Seen(
        taken=taken,
        rounds=(asked.rounds, asked.slow_rounds),
        size=size,
        tables=tables,
        backups=_newest(runs, "backup", asked.rounds),
        drills=drills,
        evidence=[_evidence(settings.stack, record.id) for record in drills],
    )
    (ROOT / "docs" / "bench-restore.md").write_text(page(seen))


def _asked() -> Asked:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--stack", default="dev")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--slow-rounds", type=int, default=2)
    return Asked(**vars(options.parse_args()))


def _take_all(ways: RestoreWays, asked: Asked) -> list[Taken]:
    taken = [Taken(way) for way in ways.all()]
    for turn in range(asked.rounds):
        for each in taken if turn % 2 == 0 else reversed(taken):
            if each is taken[0] and turn >= asked.slow_rounds:
                continue
            each.way.before()
            seconds = {}
            for title, act in each.way.steps:
                start = time.monotonic()
                act()
                seconds[title] = time.monotonic() - start
            each.seconds.append(seconds)
            told = ", ".join(f"{title} {took:.1f}" for title, took in seconds.items())
            print(f"round {turn + 1}: {each.way.name}: {told}", flush=True)
    return taken


def _baselines(manual: Taken, stack: str, size: int) -> list[Record]:
    """Return the manual way as the ledger's baselines: its proof alone, and all of it."""
    titles = [title for title, _ in manual.way.steps]
    proof = [title for title in titles if title in PROOF]
    return [
        _baseline("restore-drill", manual, proof, stack, size),
        _baseline(PROVED, manual, titles, stack, size),
    ]


def _baseline(runbook: str, manual: Taken, titles: list[str], stack: str, size: int) -> Record:
    steps = {title: manual.step(title) for title in titles}
    commands = dict(zip((title for title, _ in manual.way.steps), manual.way.commands, strict=True))
    return baseline(
        runbook,
        stack,
        sum(steps.values()),
        steps=steps,
        figures={"database_bytes": size, "runs": len(manual.seconds)},
        source=SOURCE,
        commands=[commands[title] for title in titles],
    )


def _newest(records: list[Record], runbook: str, count: int) -> list[Record]:
    return [record for record in records if record.runbook == runbook and not record.baseline][-count:]


def _evidence(stack: str, run: str) -> Evidence:
    return Evidence.parse((ROOT / ".separuh" / stack / "evidence" / run / f"{run}.json").read_bytes())


def _number(rows: list[tuple[str | None, ...]]) -> int:
    return int(rows[0][0] or 0)


if __name__ == "__main__":
    main()
