"""What a drill has shown, for people who were not there: one immutable JSON, the same text for the same evidence."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Literal, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from runbooks.core.errors import SeparuhError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")
STRICT = ConfigDict(extra="forbid")
Outcome = Literal["passed", "failed", "not compared", "not run"]
Verdict = Literal["proved", "not compared", "not proved"]

# Each check's title in Indonesian and English. A check that is here must have passed: one left out is no proof.
CHECKS: Mapping[str, tuple[str, str]] = {
    "target": ("Titik pemulihan tercapai", "The point was reached"),
    "page_checksums": ("Checksum setiap halaman data", "Checksum of every data page"),
    "amcheck": ("Tabel dan indeks saling cocok (pg_amcheck)", "Tables and indexes agree (pg_amcheck)"),
    "fingerprint": ("Isi setiap tabel sama dengan sumbernya", "Every table's content equals its source"),
    "schema": ("Struktur, batasan, dan fungsi sama", "Schema, constraints and functions are the same"),
    "foreign_keys": ("Semua kunci asing terpenuhi", "Every foreign key holds"),
    "sequences": ("Tidak ada nilai sequence yang hilang", "No sequence value was lost"),
    "roles": ("Peran dan hak akses sama", "Roles and their rights are the same"),
    "extensions": ("Ekstensi sama", "Extensions are the same"),
    "settings": ("Pengaturan sama", "Settings are the same"),
    "books": ("Pembukuan seimbang", "The books balance"),
    "payment": ("Layanan menerima pembayaran dari salinan ini", "The service took a payment on the copy"),
    "isolation": ("Uji tidak menulis ke repositori produksi", "The drill wrote nothing to the repositories"),
}


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Check:
    """One check of `CHECKS`: how it ended, in how many seconds, and what it found."""

    name: str
    outcome: Outcome
    seconds: float = 0.0
    found: str = ""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Objective:
    """A duration measured, None where it could not be, and what was agreed; in seconds."""

    seconds: float | None
    target: float

    @property
    def met(self) -> bool:
        """Whether it was measured and is no longer than agreed."""
        return self.seconds is not None and self.seconds <= self.target


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Restored:
    """The backup that was restored, and whose repository it came from. Times are ISO 8601 in UTC.

    `as_of`: when the repository was read as it was then, "" as it was when the drill began.
    """

    repository: str
    label: str
    kind: str
    ended_at: str
    database_bytes: int
    as_of: str = ""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Point:
    """To which point it was restored: how that was chosen, where in the log, and the time of its last commit."""

    scheme: str
    lsn: str
    timeline: int
    at: str


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Content:
    """What was compared: tables, rows, and the SHA-256 of the source's fingerprint as it is stored.

    For a point that has none, that of the copy's own.
    """

    tables: int
    rows: int
    sha256: str


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Evidence:
    """One restore, proved or not. `run` is its id in the ledger, `key` the SHA-256 of the public key that checks it.

    `target` is the time or LSN that was asked for, "" for the point of the backup's fingerprint, which the copy was
    compared with then. Else `other` is the backup whose copy it was compared with, None where there was none. `rto` is
    from the order to the first query answered; `rpo` what of the newest commits the repository cannot give.
    """

    run: str
    stack: str
    site: str
    operator: str
    commit: str
    change: str
    started_at: str
    ended_at: str
    seconds: float
    backup: Restored
    point: Point
    content: Content
    checks: tuple[Check, ...]
    rto: Objective
    rpo: Objective
    tools: Mapping[str, str]
    target: str = ""
    other: Restored | None = None
    key: str = ""
    format: Literal[1] = 1

    def __post_init__(self) -> None:
        """Refuse a check that nobody knows, and one that is there twice."""
        names = [check.name for check in self.checks]
        if unknown := [name for name in names if name not in CHECKS or names.count(name) > 1]:
            raise ValueError(f"no such check, or more than once: {', '.join(sorted(set(unknown)))}")

    @property
    def every_check(self) -> tuple[Check, ...]:
        """Return all of `CHECKS`, in their order; those that were not made are `not run`."""
        return every(CHECKS, self.checks)

    @property
    def proved(self) -> bool:
        """Whether every check there is has passed: a copy that was compared with nothing is not proved."""
        return self.verdict == "proved"

    @property
    def verdict(self) -> Verdict:
        """Return what the checks come to: one that could be compared with nothing is no failure, and no proof."""
        return verdict_of(self.every_check)

    def dump(self) -> str:
        """Return it as JSON, with sorted keys."""
        return dumped(self)

    @classmethod
    def parse(cls, text: str | bytes) -> Evidence:
        """Return what `dump` wrote. SeparuhError if it is no evidence, or of a format not known here."""
        return parsed(cls, text)


def every(known: Iterable[str], checks: Iterable[Check]) -> tuple[Check, ...]:
    """Return a check for each name that is known, in that order; those that were not made are `not run`."""
    made = {check.name: check for check in checks}
    return tuple(made.get(name, Check(name=name, outcome="not run")) for name in known)


def verdict_of(checks: Iterable[Check]) -> Verdict:
    """Return what all checks come to: one that could be compared with nothing is no failure, and no proof."""
    outcomes = {check.outcome for check in checks}
    if outcomes == {"passed"}:
        return "proved"
    return "not compared" if outcomes == {"passed", "not compared"} else "not proved"


def dumped(evidence: DataclassInstance) -> str:
    """Return evidence as JSON, with sorted keys."""
    return json.dumps(asdict(evidence), sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def parsed(kind: type[T], text: str | bytes) -> T:
    """Return the evidence of a `kind` that `dumped` wrote. SeparuhError if it is none that is known here."""
    try:
        found: T = TypeAdapter(kind).validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "its beginning"
        raise SeparuhError(f"this is no evidence that is known here, at {where}: {first['msg']}") from None
    return found
