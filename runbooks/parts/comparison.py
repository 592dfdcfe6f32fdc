"""Two fingerprints compared: which table and chunk differ, and which role, index, sequence or setting."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from runbooks.adapters.content import Digest, Layout
from runbooks.parts.fingerprint import Fingerprint, Table


@dataclass(frozen=True)
class Difference:
    """What is not the same. `chunk` is its number where a table's rows are cut in the same way in both, else None."""

    subject: str
    what: str
    layout: Layout | None = None
    chunk: int | None = None

    def __str__(self) -> str:
        """Return it as an operator reads it."""
        return f"{self.subject}: {self.what}"


def compare(source: Fingerprint, copy: Fingerprint, expected: Collection[str] = ()) -> tuple[Difference, ...]:
    """Return every difference, none if the copy is exact.

    `expected` are subjects ("settings archive_mode") that are meant to differ, because the copy must not act as its
    source does.
    """
    found = (*_tables(source, copy), *_parts(source, copy))
    return tuple(difference for difference in found if difference.subject not in expected)


def _tables(source: Fingerprint, copy: Fingerprint) -> Iterator[Difference]:
    for name in sorted({*source.tables, *copy.tables}):
        ours, theirs = source.tables.get(name), copy.tables.get(name)
        if ours is None or theirs is None:
            yield Difference(f"table {name}", _absent(theirs is None))
        elif ours.layout != theirs.layout:
            yield from _whole(name, ours, theirs)
        else:
            yield from _chunks(name, ours, theirs)


def _whole(name: str, ours: Table, theirs: Table) -> Iterator[Difference]:
    """Compare what cannot be compared by chunk, as it is cut in another way."""
    if (ours.layout.columns, ours.layout.key) != (theirs.layout.columns, theirs.layout.key):
        yield Difference(f"table {name}", "its columns or its primary key differ")
    if ours.whole != theirs.whole:
        yield Difference(f"table {name}", _told(ours.whole, theirs.whole))


def _chunks(name: str, ours: Table, theirs: Table) -> Iterator[Difference]:
    for chunk in sorted({*ours.chunks, *theirs.chunks}):
        mine, other = ours.chunks.get(chunk, Digest()), theirs.chunks.get(chunk, Digest())
        if mine != other:
            where = ours.layout.describe(chunk)
            told = f"{where}: {_told(mine, other)}" if where else _told(mine, other)
            yield Difference(f"table {name}", told, ours.layout, chunk)


def _parts(source: Fingerprint, copy: Fingerprint) -> Iterator[Difference]:
    for part in sorted({*source.parts, *copy.parts}):
        ours, theirs = source.parts.get(part, {}), copy.parts.get(part, {})
        for name in sorted({*ours, *theirs}):
            if name not in ours or name not in theirs:
                yield Difference(f"{part} {name}", _absent(name not in theirs))
            elif ours[name] != theirs[name]:
                yield Difference(f"{part} {name}", f"{ours[name]!r} in the source, {theirs[name]!r} in the copy")


def _absent(in_copy: bool) -> str:
    return "missing in the copy" if in_copy else "only in the copy"


def _told(ours: Digest, theirs: Digest) -> str:
    if ours.rows == theirs.rows:
        return f"{ours.rows} rows in both, their content differs"
    return f"{ours.rows} rows in the source, {theirs.rows} in the copy"
