"""The rows of one chunk, for the day on which two copies of it differ."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from runbooks.adapters.content import SEEDS, Digest, Layout, exact
from runbooks.core.command import Query

LISTED = """
SELECT s.label, count(*), sum(hashtextextended(s.line, {first})), sum(hashtextextended(s.line, {second}))
  FROM (SELECT {label} AS label, (t.*)::text AS line FROM ONLY {table} AS t WHERE {place} = {chunk} OFFSET 0) AS s
 GROUP BY s.label;
"""

COLUMNS = """
SELECT DISTINCT {label}{columns} FROM ONLY {table} AS t WHERE {place} = {chunk} AND {label} IN ({wanted});
"""

COLUMN = ", md5(t.{column}::text)"


def listed(layout: Layout, chunk: int, within: float) -> Query[Mapping[str, Digest]]:
    """Ask for the digest of each row of a chunk, by its key; of rows without a key, by their content."""
    sql = LISTED.format(
        first=SEEDS[0], second=SEEDS[1], label=_label(layout), table=layout.table, place=layout.place, chunk=chunk
    )
    return Query(sql=exact(sql, within), parse=_listed, database=layout.database, within=within)


def columns(
    layout: Layout, chunk: int, wanted: Collection[str], within: float
) -> Query[Mapping[str, Sequence[str | None]]]:
    """Ask for a digest of each column of the rows `wanted`, in the order of the layout, None for NULL.

    What the columns hold stays where it is.
    """
    sql = COLUMNS.format(
        label=_label(layout),
        columns="".join(COLUMN.format(column=column) for column in layout.columns),
        table=layout.table,
        place=layout.place,
        chunk=chunk,
        wanted=", ".join(_literal(label) for label in sorted(wanted)),
    )
    return Query(
        sql=exact(sql, within),
        parse=lambda rows: {str(label): found for label, *found in rows},
        database=layout.database,
        within=within,
    )


def _label(layout: Layout) -> str:
    return layout.identity if layout.key else f"md5({layout.identity})"


def _literal(text: str) -> str:
    return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def _listed(rows: list[tuple[Any, ...]]) -> dict[str, Digest]:
    return {label: Digest.told(*told) for label, *told in rows}
