"""A chunk that differs, narrowed to rows and columns, where source and copy at the same point can both be asked.

Keys and names of columns are told and no value of a column: what is told is kept where many read it.
"""

from __future__ import annotations

from dataclasses import dataclass

from runbooks.adapters import rows
from runbooks.adapters.content import Digest
from runbooks.parts.comparison import Difference
from runbooks.parts.fingerprint import Asked

MOST = 20  # rows told of a chunk; who has that many different ones needs no longer list


@dataclass(frozen=True)
class RowDifference:
    """One row that differs: in `columns`, or, where there are none, in how often it is in the source and the copy.

    `row` is the row's key, or a digest of all its values where it has none.
    """

    subject: str
    row: str
    columns: tuple[str, ...]
    source: int
    copy: int

    def __str__(self) -> str:
        """Return it as an operator reads it."""
        if self.columns:
            return f"{self.subject}, row {self.row}: {', '.join(self.columns)} differs"
        return f"{self.subject}, row {self.row}: {_times(self.source)} in the source, {_times(self.copy)} in the copy"


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
    here, there = (host.ask(rows.columns(layout, chunk, wanted, within)) for host in (source, copy))
    found: list[RowDifference] = []
    for label in wanted:
        mine, other = ours.get(label, Digest()).rows, theirs.get(label, Digest()).rows
        changed: tuple[str, ...] = ()
        if mine == other:
            pairs = zip(layout.columns, here[label], there[label], strict=True)
            changed = tuple(column for column, our, their in pairs if our != their)
        found.append(RowDifference(difference.subject, label, changed, mine, other))
    return tuple(found)


def _times(rows: int) -> str:
    return {0: "not", 1: "once"}.get(rows, f"{rows} times")
