"""A chunk that differs, narrowed to rows and columns, where source and copy at the same point can both be asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from runbooks.adapters import rows
from runbooks.adapters.content import Digest
from runbooks.parts.comparison import Difference
from runbooks.parts.fingerprint import Asked

MOST = 20  # rows told of a chunk; who has that many different ones needs no longer list


@dataclass(frozen=True)
class RowDifference:
    """One row that differs: in one column, whose values are SQL literals, or in how often it is there (`column` "")."""

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
    changed = [label for label in wanted if label in ours and label in theirs]
    found = [
        RowDifference(difference.subject, label, "", _times(ours.get(label)), _times(theirs.get(label)))
        for label in wanted
        if _times(ours.get(label)) != _times(theirs.get(label))
    ]
    if changed and layout.key:
        here, there = (host.ask(rows.values(layout, chunk, changed, within)) for host in (source, copy))
        for label in changed:
            pairs = zip(layout.columns, here[label], there[label], strict=True)
            found += _columns(difference.subject, label, pairs)
    return tuple(found)


def _columns(subject: str, label: str, pairs: Iterator[tuple[str, str | None, str | None]]) -> Iterator[RowDifference]:
    for column, ours, theirs in pairs:
        if ours != theirs:
            yield RowDifference(subject, label, column, ours or "", theirs or "")


def _times(digest: Digest | None) -> str:
    return {0: "not", 1: "once"}.get(digest.rows, f"{digest.rows} times") if digest else "not"
