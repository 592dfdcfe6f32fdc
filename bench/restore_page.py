"""The page that `bench.restore` writes: what each way took, where a drill's time goes, and what may be claimed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median

from bench.backup import Taken
from runbooks.core.evidence import CHECKS, Evidence
from runbooks.core.ledger import Record

BARE = ("Restore the backup into it", "Start it, up to the point")  # what the titles of these steps begin with
FINGERPRINT = "Take the fingerprint of the point behind it"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What was seen. `taken` is as RestoreWays.all orders it; sizes in bytes; records and evidence of these runs."""

    taken: list[Taken]
    rounds: tuple[int, int]
    size: int
    tables: int
    backups: list[Record]
    drills: list[Record]
    evidence: list[Evidence]


def page(seen: Seen) -> str:
    """Return the page."""
    manual, ours, hand, barman, combined = seen.taken
    logical = manual.step("restore")
    bare = median(_sum(record, BARE) for record in seen.drills)
    by_hand = [_total(run, ("restore", "start")) for run in hand.seconds]
    checked = hand.step("pg_amcheck")
    restores = [
        _row("pg_restore -j2 into an empty server", [run["restore"] for run in manual.seconds], logical),
        _row("pgbackrest by hand, restore and start", by_hand, logical),
        _row("inv restore-drill, its restore and start", [_sum(r, BARE) for r in seen.drills], logical),
        _row("barman-cloud-restore and start", barman.totals, logical),
        _row("pg_combinebackup: download, unpack, combine, start", combined.totals, logical),
        _row("inv restore-drill, the whole", [run["restore-drill"] for run in ours.seconds], logical),
    ]
    whole, yardstick = ours.step("restore-drill"), median(by_hand) + checked
    rows = seen.evidence[-1].content.rows
    return "\n".join(
        (
            "# A restore, and a backup with its proof, beside other ways",
            "",
            f"{seen.rounds[0]} rounds in alternating order ({seen.rounds[1]} of the manual way) on "
            f"{seen.size / 1e9:.2f} GB, {rows / 1e6:.1f} million rows, written by `python -m bench.restore` on "
            f"{datetime.now(UTC):%Y-%m-%d}. Seconds are medians. Every restore is into an empty volume, by a "
            "container with a member's memory and a backup's weight.",
            "",
            "| restore | s | range | of the logical |",
            "| --- | --- | --- | --- |",
            *restores,
            "",
            f"The drill's bare restore is {logical / bare:.1f} times as fast as `pg_restore -j2`, pgBackRest by hand "
            f"{logical / median(by_hand):.1f} times.",
            f"The whole drill takes {whole / yardstick:.2f} of a bare restore plus `pg_amcheck` "
            f"({median(by_hand):.1f} s + {checked:.1f} s).",
            "",
            "| way | its steps, s |",
            "| --- | --- |",
            *(
                f"| {t.way.name} | {', '.join(f'{title} {t.step(title):.1f}' for title, _ in t.way.steps)} |"
                for t in seen.taken
            ),
            "",
            *_where(seen),
            "",
            *_fingerprint(seen, rows),
            "",
            "## A backup plus its proof",
            "",
            f"By hand {manual.total:.1f} s, `inv backup` and `inv restore-drill` {ours.total:.1f} s: "
            f"**{ours.total / manual.total:.2f} of the manual way**, target 0.5. The manual way counts rows; the drill "
            "compares every row, checks every index, key and page, takes a payment, and signs what it found.",
            "",
        )
    )


def _row(name: str, seconds: Sequence[float], logical: float) -> str:
    took = median(seconds)
    return f"| {name} | {took:.1f} | {min(seconds):.1f} to {max(seconds):.1f} | {took / logical:.2f} |"


def _where(seen: Seen) -> Iterable[str]:
    """Yield where the drill's time goes, step by step, and check by check in the steps that prove."""
    yield from ("## Where a drill's time goes", "", "| step | s |", "| --- | --- |")
    whole = seen.taken[1].step("restore-drill")
    around = whole - median(record.seconds for record in seen.drills)
    yield f"| Starting up, the lease, the prechecks and the record | {around:.1f} |"
    for step in seen.drills[-1].steps:
        yield f"| {step.title} | {median(_sum(record, (step.title,)) for record in seen.drills):.1f} |"
    yield from ("", "| check | s |", "| --- | --- |")
    for name in CHECKS:
        took = [check.seconds for each in seen.evidence for check in each.checks if check.name == name]
        if took and median(took) >= 0.1:
            yield f"| {name} | {median(took):.1f} |"
    yield ""
    yield "The fingerprint tells `schema`, `sequences`, `roles`, `extensions` and `settings`, which have its seconds."


def _fingerprint(seen: Seen, rows: int) -> Iterable[str]:
    yield from (
        "## The fingerprint",
        "",
        "| taken | s | million rows/s | MB/s of tables |",
        "| --- | --- | --- | --- |",
    )
    at_backup = median(_sum(record, (FINGERPRINT,)) for record in seen.backups)
    at_drill = median(c.seconds for each in seen.evidence for c in each.checks if c.name == "fingerprint")
    for name, took in {
        "of the standby behind a backup, the whole step": at_backup,
        "of the copy in a drill, beside pg_amcheck": at_drill,
    }.items():
        yield f"| {name} | {took:.1f} | {rows / took / 1e6:.2f} | {seen.tables / took / 1e6:.0f} |"


def _sum(record: Record, titles: Sequence[str]) -> float:
    return sum(step.seconds for step in record.steps if step.title.startswith(tuple(titles)))


def _total(run: dict[str, float], titles: Sequence[str]) -> float:
    return sum(run[title] for title in titles)
