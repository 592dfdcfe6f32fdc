"""Finished runs: one immutable JSON record each, in the local folder and in both stores, merged by id."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from runbooks.core.command import Request
from runbooks.core.errors import CommandFailed, SeparuhError
from runbooks.core.store import Store

PREFIX = "separuh/ledger/"
ALREADY_THERE = 412
PAGE = 1000  # S3 gives no more at once


@dataclass(frozen=True)
class StepRecord:
    """How long one step took, in seconds on the monotonic clock, and how it ended; `started_at` in UTC, if known."""

    title: str
    stage: str
    seconds: float
    outcome: str
    started_at: str = ""


@dataclass(frozen=True, kw_only=True)
class Record:
    """One run. Times are UTC; `seconds` is on the monotonic clock. A baseline names its source in `baseline`."""

    id: str
    runbook: str
    stack: str
    operator: str
    commit: str
    change: str
    started_at: str
    ended_at: str
    seconds: float
    outcome: str
    steps: tuple[StepRecord, ...]
    figures: Mapping[str, Any] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    baseline: Mapping[str, Any] | None = None

    def dump(self) -> str:
        """Return the record as JSON."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def parse(cls, text: str) -> Record:
        """Return the record that `dump` wrote."""
        values = json.loads(text)
        return cls(
            **{
                **values,
                "steps": tuple(StepRecord(**step) for step in values["steps"]),
                "reasons": tuple(values.get("reasons", ())),
            }
        )


def _read(path: Path) -> Record:
    try:
        return Record.parse(path.read_text())
    except (ValueError, TypeError, KeyError) as error:
        raise SeparuhError(f"{path} is no record of a run ({error}): move it out of the ledger") from error


def new_id(runbook: str, now: datetime | None = None) -> str:
    """Return an id that sorts by its time of birth and that no other machine makes."""
    moment = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    return f"{moment}-{runbook}-{secrets.token_hex(3)}"


class Ledger:
    """The records of one stack."""

    def __init__(self, root: Path, stack: str, stores: Iterable[Store] = ()) -> None:
        """`root` is the checkout; without `stores` only this machine's records are known."""
        self._directory = root / ".separuh" / stack / "ledger"
        self._stores = tuple(stores)

    def append(self, record: Record) -> list[str]:
        """Keep `record` for good, here and in the stores; return a line for each place that could not be written."""
        try:
            self._write(record.id, record.dump())
        except OSError as error:
            return [f"record not kept in {self._directory}: {error.strerror}", *self.push({record.id: record.dump()})]
        return self.push()

    def push(self, homeless: Mapping[str, str] = MappingProxyType({})) -> list[str]:
        """Copy to each store the records it lacks; return a line for each store that could not be written.

        `homeless` are records (id to text) that could not be kept here.
        """
        missed = []
        for store in self._stores:
            try:
                there = _stored_ids(store)
                here = {path.stem: path.read_text() for path in self._files() if path.stem not in there}
                for record_id, text in {**here, **homeless}.items():
                    _put(store, record_id, text)
            except CommandFailed as failure:
                missed.append(f"ledger not copied to {store.name}: {failure.stderr.strip().splitlines()[0]}")
        return missed

    def merge(self) -> list[str]:
        """Bring here the records that only the stores have; return a line for each store whose are not all here."""
        missed = []
        for store in self._stores:
            try:
                here = {path.stem for path in self._files()}
                for record_id in sorted(_stored_ids(store) - here):
                    self._write(record_id, store.ask(_fetch(store, record_id)))
            except CommandFailed as failure:
                missed.append(f"ledger not read from {store.name}: {failure.stderr.strip().splitlines()[0]}")
            except OSError as error:
                missed.append(f"ledger of {store.name} not kept in {self._directory}: {error.strerror}")
        return missed

    def all(self) -> list[Record]:
        """Return every record that is here, oldest first."""
        return [_read(path) for path in self._files()]

    def newest(self, count: int) -> list[Record]:
        """Return the `count` newest records of runs that are here, the newest first; no others are read."""
        found: list[Record] = []
        for path in reversed(self._files()):
            record = _read(path)
            if record.baseline is None and len(found) < count:
                found.append(record)
            if len(found) == count:
                break
        return found

    def _files(self) -> list[Path]:
        return sorted(self._directory.glob("*.json"), key=lambda path: path.stem)

    def _write(self, record_id: str, text: str) -> None:
        """Write once: whole or not at all, and never over a record that is there."""
        self._directory.mkdir(parents=True, exist_ok=True)
        draft = self._directory / f".{record_id}.{secrets.token_hex(4)}"
        try:
            with draft.open("w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.link(draft, self._directory / f"{record_id}.json")
        except FileExistsError:
            pass
        finally:
            draft.unlink(missing_ok=True)


def _stored_ids(store: Store) -> set[str]:
    """Return the ids in a store, page by page."""
    ids: list[str] = []
    while page := store.ask(_page(store, after=f"{PREFIX}{ids[-1]}.json" if ids else "")):
        ids += page
    return set(ids)


def _page(store: Store, after: str) -> Request[list[str]]:
    params = {"Bucket": store.bucket, "Prefix": PREFIX, "StartAfter": after, "MaxKeys": PAGE}
    return Request(operation="list_objects_v2", params=params, parse=_ids)


def _ids(answer: Mapping[str, Any]) -> list[str]:
    return [entry["Key"].removeprefix(PREFIX).removesuffix(".json") for entry in answer.get("Contents", ())]


def _fetch(store: Store, record_id: str) -> Request[str]:
    params = {"Bucket": store.bucket, "Key": f"{PREFIX}{record_id}.json"}
    return Request(operation="get_object", params=params, parse=lambda answer: str(answer["Body"].read().decode()))


def _put(store: Store, record_id: str, text: str) -> None:
    """Put a record unless it is there: two runners may push the same one at once."""
    params = {
        "Bucket": store.bucket,
        "Key": f"{PREFIX}{record_id}.json",
        "Body": text.encode(),
        "ContentType": "application/json",
        "IfNoneMatch": "*",
    }
    try:
        store.do(Request(operation="put_object", params=params, parse=lambda _: None))
    except CommandFailed as failure:
        if failure.code != ALREADY_THERE:
            raise
