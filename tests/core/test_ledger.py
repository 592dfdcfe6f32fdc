"""Records are written once, sort by time, reach both stores when they can, and merge by id."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import boto3
import pytest

from runbooks.core import ledger as ledgers
from runbooks.core.errors import CommandFailed, SeparuhError
from runbooks.core.ledger import Ledger, Record, StepRecord, new_id
from runbooks.core.store import Store
from tests.core.conftest import store_of

STEP = StepRecord("Take it", "implement", 2.5, "done")
RECORD = Record(
    id="20260101T000000Z-backup-aaaaaa",
    runbook="backup",
    stack="unit",
    operator="ann@here process 1",
    commit="abc",
    change="CHG-1",
    started_at="2026-01-01T00:00:00.000+00:00",
    ended_at="2026-01-01T00:00:03.000+00:00",
    seconds=2.5,
    outcome="done",
    steps=(STEP,),
    figures={"bytes": 5},
)


class Broken(Store):
    """A store that is down."""

    def _send(self, request: Any) -> Any:
        raise CommandFailed((request.operation,), self.name, None, "connection refused")


def test_a_record_survives_as_it_was_written(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, "unit")
    ledger.append(RECORD)
    ledger.append(replace(RECORD, outcome="failed"))
    assert ledger.all() == [RECORD]


def test_the_newest_runs_come_first_and_a_baseline_is_none(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, "unit")
    first, second, third = (replace(RECORD, id=f"2026010{day}T000000Z-backup-aaaaaa") for day in (1, 2, 3))
    for record in (first, second, replace(third, baseline={"source": "by hand"})):
        ledger.append(record)
    assert ledger.newest(1) == [second]
    assert ledger.newest(5) == [second, first]


def test_ids_sort_by_the_time_of_their_birth() -> None:
    births = [datetime(2026, 1, 1, 0, 0, second, tzinfo=UTC) for second in range(5)]
    ids = [new_id("zzz" if n % 2 else "aaa", birth) for n, birth in enumerate(births)]
    assert ids == sorted(ids)
    assert len({new_id("same", births[0]) for _ in range(100)}) == 100


def test_two_machines_know_each_others_runs(tmp_path: Path, two_stores: list[Store]) -> None:
    here, there = Ledger(tmp_path / "here", "unit", two_stores), Ledger(tmp_path / "there", "unit", two_stores)
    other = replace(RECORD, id="20260102T000000Z-backup-bbbbbb")
    assert here.append(RECORD) == []
    assert there.append(other) == []
    assert here.merge() == []
    assert there.merge() == []
    assert here.all() == there.all() == [RECORD, other]


def test_what_a_store_missed_is_pushed_by_the_next_run(tmp_path: Path, two_stores: list[Store]) -> None:
    first, second = two_stores
    down = store_of(second.site, Broken)
    missed = Ledger(tmp_path, "unit", [first, down]).append(RECORD)
    assert missed == ["ledger not copied to unit-two-store: connection refused"]
    Ledger(tmp_path, "unit", two_stores).append(replace(RECORD, id="20260102T000000Z-backup-bbbbbb"))
    elsewhere = Ledger(tmp_path / "elsewhere", "unit", [second])
    assert elsewhere.merge() == []
    assert len(elsewhere.all()) == 2


def test_a_record_in_a_store_is_never_overwritten(tmp_path: Path, two_stores: list[Store]) -> None:
    Ledger(tmp_path / "here", "unit", two_stores).append(RECORD)
    (tmp_path / "forged" / ".separuh" / "unit" / "ledger").mkdir(parents=True)
    Ledger(tmp_path / "forged", "unit", two_stores).append(replace(RECORD, outcome="failed"))
    clean = Ledger(tmp_path / "clean", "unit", two_stores)
    clean.merge()
    assert clean.all() == [RECORD]


def test_more_records_than_a_page_holds_are_all_merged(
    tmp_path: Path, two_stores: list[Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledgers, "PAGE", 3)
    client = boto3.client("s3", region_name="us-east-1")
    for number in range(7):
        record = replace(RECORD, id=f"20260101T{number:06d}Z-backup-aaaaaa", steps=())
        key = f"separuh/ledger/{record.id}.json"
        client.put_object(Bucket=two_stores[0].bucket, Key=key, Body=record.dump().encode())
    ledger = Ledger(tmp_path, "unit", two_stores[:1])
    ledger.merge()
    assert len(ledger.all()) == 7


def test_a_file_that_is_no_record_is_named(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, "unit")
    ledger.append(RECORD)
    bad = tmp_path / ".separuh" / "unit" / "ledger" / "bad.json"
    bad.write_text(json.dumps({"id": "bad"}))
    with pytest.raises(SeparuhError, match=r"bad\.json is no record"):
        ledger.all()


def test_a_record_that_has_no_room_here_goes_to_the_stores(
    tmp_path: Path, two_stores: list[Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    here = Ledger(tmp_path / "here", "unit", two_stores)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        (missed,) = here.append(RECORD)
        assert missed.startswith(f"record not kept in {tmp_path}/here/")
        assert missed.endswith("No space left on device")
        assert [line.partition(" not kept")[0] for line in here.merge()] == [
            "ledger of unit-one-store",
            "ledger of unit-two-store",
        ]
    assert here.all() == []
    assert not list((tmp_path / "here").rglob(".2*")), "no draft is left"
    assert here.merge() == []
    assert here.all() == [RECORD]
