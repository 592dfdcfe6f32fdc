"""A chunk that differs, narrowed to rows and columns, where source and copy at the same point can both be asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from runbooks.adapters import rows
from runbooks.adapters.content import Digest
from runbooks.parts.comparison import Difference
from runbooks.parts.fingerprint import Asked

MOST = 20  # rows told of a chunk; who has that many different ones needs no longer list


@dataclass(frozen=True)
class RowDifference:
    """One row that differs: in one column, or (`column` "") in how often it is there. Values are SQL literals.

    `row` is the row's key, or all its values where it has none.
    """

    subject: str
    row: str
    column: str
    source: str
    copy: str

    def __str__(self) -> str:
        """Return it as an operator reads it."""
        what = f"{self.column} is" if self.column else "is there"
        return f"{self.subject}, {self.row}: {what} {self.source} in the source, {self.copy} in the copy"


def narrow(difference: Difference, source: Asked, copy: Asked, within: float) -> tuple[RowDifference, ...]:
    """Return the first rows that differ in the chunk of `difference`, none for one that is about no chunk.

    Each answer may take `within` seconds; the labels and digests of the chunk's rows are all brought here.
    """
    layout, chunk = difference.layout, difference.chunk
    if layout is None or chunk is None:
        return ()
    ours, theirs = (host.ask(rows.listed(layout, chunk, within)) for host in (source, copy))
    wanted = [label for label in sorted({*ours, *theirs}) if ours.get(label) != theirs.get(label)][:MOST]
    if not wanted:
        return ()
    here, there = (host.ask(rows.values(layout, chunk, wanted, within)) for host in (source, copy))
    found: list[RowDifference] = []
    for label in wanted:
        mine, other = ours.get(label, Digest()).rows, theirs.get(label, Digest()).rows
        if mine != other:
            row = label if layout.key else _content(here.get(label) or there[label])
            found.append(RowDifference(difference.subject, row, "", _times(mine), _times(other)))
        else:
            pairs = zip(layout.columns, here[label], there[label], strict=True)
            found += _columns(difference.subject, label, pairs)
    return tuple(found)


def _content(values: Sequence[str | None]) -> str:
    return f"({', '.join(value or '' for value in values)})"


def _columns(subject: str, label: str, pairs: Iterator[tuple[str, str | None, str | None]]) -> Iterator[RowDifference]:
    for column, ours, theirs in pairs:
        if ours != theirs:
            yield RowDifference(subject, label, column, ours or "", theirs or "")


def _times(rows: int) -> str:
    return {0: "not", 1: "once"}.get(rows, f"{rows} times")
