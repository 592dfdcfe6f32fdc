"""What the tables of a database hold, asked as sums of hashes that do not depend on the order of rows.

A row is hashed as the text that PostgreSQL gives for it, under settings that make that text exact. Not by
`hash_record_extended`: it folds a bigint to 32 bits (1 and 4294967296 are the same to it), takes 1.0 for 1.00, and adds
up its columns' hashes, so that two values swapped between two rows leave a sum over rows as it was.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from runbooks.core.command import Query, T

CHUNK_BYTES = 1 << 20
MOST_CHUNKS = 1024
SAMPLED_BYTES = 32 << 20  # of a table, to find where its chunks begin
MODULUS = 1 << 64
SEEDS = (0, 4242)
PLACING = 7  # a seed of its own: a chunk is not to be chosen by what is summed up in it

# Every text is exact and the same everywhere. The heap is read, never an index: what is proved may have a wrong one.
EXACT = """
SET client_min_messages = error; SET search_path = pg_catalog, pg_temp; SET row_security = off;
SET datestyle = 'ISO, YMD'; SET intervalstyle = postgres; SET timezone = 'UTC'; SET extra_float_digits = 1;
SET bytea_output = hex; SET lc_monetary = 'C'; SET quote_all_identifiers = off;
SET jit = off; SET max_parallel_workers_per_gather = 0;
SET enable_indexscan = off; SET enable_indexonlyscan = off; SET enable_bitmapscan = off;
SET statement_timeout = {milliseconds};
{begin}
{statements}
COMMIT;
"""
BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"
# Begins a transaction, and tells the name by which others see what it sees.
SNAPSHOT = f"{BEGIN}\nSELECT 'snapshot', pg_export_snapshot();"

DATABASES = "SELECT datname FROM pg_database WHERE datallowconn ORDER BY datname"

# Unlogged tables are left out, as no restore brings their rows back; large objects are rows of a catalog of their own.
LAYOUTS = """
SELECT format('%I.%I', n.nspname, c.relname), pg_table_size(c.oid),
       (SELECT coalesce(json_agg(quote_ident(a.attname) ORDER BY a.attnum), '[]') FROM pg_attribute AS a
         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
       (SELECT coalesce(json_agg(quote_ident(a.attname) ORDER BY k.place), '[]')
          FROM unnest(i.indkey) WITH ORDINALITY AS k (attnum, place)
          JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = k.attnum WHERE k.place <= i.indnkeyatts),
       coalesce((SELECT a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) FROM pg_attribute AS a
                  WHERE a.attrelid = c.oid AND a.attnum = i.indkey[0]), false)
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
  LEFT JOIN pg_index AS i ON i.indrelid = c.oid AND i.indisprimary
 WHERE c.relkind IN ('r', 'm') AND c.relpersistence = 'p' AND c.relispopulated
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') OR c.oid = 'pg_largeobject'::regclass
 ORDER BY 1
"""

BOUNDS = """
SELECT '{position}', to_json(percentile_disc(ARRAY[{fractions}]::float8[]) WITHIN GROUP (ORDER BY t.{key}::bigint))
  FROM ONLY {table} AS t
       TABLESAMPLE SYSTEM (least(100, 100.0 * {sampled} / greatest(1, pg_relation_size('{literal}')))) REPEATABLE (1);
"""

BLOCKS = """
SELECT format('%I.%I', n.nspname, c.relname), pg_relation_size(c.oid) / current_setting('block_size')::bigint
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'm')
"""

# OFFSET 0 keeps the row's text from being made once for each use of it.
DIGESTS = """
SELECT '{position}', s.chunk, count(*), sum(hashtextextended(s.line, {first})), sum(hashtextextended(s.line, {second}))
  FROM (SELECT {chunk} AS chunk, (t.*)::text AS line FROM ONLY {table} AS t{where} OFFSET 0) AS s GROUP BY s.chunk;
"""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A table and how it is cut into chunks. Names are quoted where SQL needs it.

    By ranges of the first column of its primary key where that is an integer (`ranged`; a chunk begins at each of
    `bounds`), else by a hash of the key into `chunks`, else (no primary key) by a hash of the whole row.
    """

    database: str
    table: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    ranged: bool
    chunks: int
    bounds: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """Return the table's name in the cluster."""
        return f"{self.database}.{self.table}"

    @property
    def identity(self) -> str:
        """Return the SQL of what tells one row from another: the key, else the row itself."""
        return f"ROW({', '.join(f't.{column}' for column in self.key)})::text" if self.key else "(t.*)::text"

    @property
    def place(self) -> str:
        """Return the SQL of the number of the chunk in which a row is."""
        if self.ranged:
            return f"width_bucket(t.{self.key[0]}::bigint, '{{{','.join(map(str, self.bounds))}}}'::bigint[])"
        return f"hashtextextended({self.identity}, {PLACING}) & {self.chunks - 1}" if self.chunks > 1 else "0"

    def describe(self, chunk: int) -> str:
        """Say which rows are in a chunk, as far as that can be said without asking."""
        if self.ranged and self.bounds:
            start = f" from {self.bounds[chunk - 1]}" if chunk else ""
            end = f" below {self.bounds[chunk]}" if chunk < len(self.bounds) else ""
            return f"{self.key[0]}{start}{end}"
        return f"chunk {chunk + 1} of {self.chunks}" if self.chunks > 1 else ""


@dataclass(frozen=True)
class Digest:
    """How many rows, and two sums of 64 bit hashes of them, each modulo 2**64. A row there twice counts twice."""

    rows: int = 0
    sums: tuple[int, int] = (0, 0)

    @classmethod
    def told(cls, rows: Any, first: Any, second: Any) -> Digest:
        """Return the digest that SQL tells as a count and two sums, which may be negative or beyond the modulus."""
        return cls(int(rows), (int(first) % MODULUS, int(second) % MODULUS))

    def __add__(self, other: Digest) -> Digest:
        """Return the digest of both sets of rows together."""
        first, second = ((a + b) % MODULUS for a, b in zip(self.sums, other.sums, strict=True))
        return Digest(self.rows + other.rows, (first, second))


@dataclass(frozen=True)
class Part:
    """Part `number` of `count` (from 0) of each table, by blocks of its heap: every part but the last ends somewhere.

    `blocks` is how many there are, by table; a table that is not known there is the last part's.
    """

    number: int
    count: int
    blocks: Mapping[str, int]

    def where(self, table: str) -> str:
        """Return the condition, in SQL, on the rows of a table."""
        size = -(-self.blocks.get(table, 0) // self.count)
        first, last = self.number * size, (self.number + 1) * size
        conditions = [f"t.ctid >= '({first},0)'"] if self.number else []
        conditions += [f"t.ctid < '({last},0)'"] if self.number < self.count - 1 else []
        return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def exact(statements: str, within: float) -> str:
    """Return SQL that runs `statements` in one snapshot, each for at most `within` seconds, with exact texts."""
    return EXACT.format(begin=BEGIN, statements=statements, milliseconds=int(within * 1000))


def in_snapshot(question: Query[T], snapshot: str) -> Query[T]:
    """Return `question`, which is asked by `exact`, as it is asked of what another transaction sees."""
    return replace(question, sql=question.sql.replace(BEGIN, f"{BEGIN}\nSET TRANSACTION SNAPSHOT '{snapshot}';", 1))


def databases() -> Query[tuple[str, ...]]:
    """Ask for every database that admits connections."""
    return Query(sql=DATABASES, parse=lambda rows: tuple(str(name) for (name,) in rows))


def layouts(database: str) -> Query[tuple[Layout, ...]]:
    """Ask for every table with rows of its own: partitions and not their parents, materialized views too."""
    return Query(
        sql=exact(f"{LAYOUTS};", 60), parse=lambda rows: _layouts(database, rows), database=database, within=60
    )


def bounds(tables: Sequence[Layout], within: float) -> Query[Mapping[str, tuple[int, ...]]]:
    """Ask, by a sample, where chunks of the ranged tables of one database begin so that each is about as large."""
    ranged = [table for table in tables if table.ranged and table.chunks > 1]
    statements = [
        BOUNDS.format(
            position=position,
            fractions=",".join(f"{i / table.chunks:.6g}" for i in range(1, table.chunks)),
            key=table.key[0],
            table=table.table,
            sampled=SAMPLED_BYTES,
            literal=table.table.replace("'", "''"),
        )
        for position, table in enumerate(ranged)
    ]
    return Query(
        sql=exact("".join(statements), within),
        parse=lambda rows: {ranged[int(n or 0)].name: tuple(json.loads(found or "[]")) for n, found in rows},
        database=tables[0].database,
        within=within,
    )


def blocks(database: str) -> Query[Mapping[str, int]]:
    """Ask how many blocks the heap of each table of a database has, by the table's name in it."""
    return Query(sql=exact(f"{BLOCKS};", 60), parse=_blocks, database=database, within=60)


def digests(
    tables: Sequence[Layout], within: float, part: Part | None = None
) -> Query[Mapping[str, Mapping[int, Digest]]]:
    """Ask for the digest of each chunk that has rows, by table, of the tables of one database in one snapshot.

    Of a `part` only the rows in its blocks are read: a row is in one block, so those of all parts add up to the whole.
    """
    statements = [
        DIGESTS.format(
            position=n,
            first=SEEDS[0],
            second=SEEDS[1],
            chunk=table.place,
            table=table.table,
            where=part.where(table.table) if part else "",
        )
        for n, table in enumerate(tables)
    ]
    return Query(
        sql=exact("".join(statements), within),
        parse=lambda rows: _digests(tables, rows),
        database=tables[0].database,
        within=within,
    )


def _layouts(database: str, rows: list[tuple[str | None, ...]]) -> tuple[Layout, ...]:
    return tuple(
        Layout(
            database=database,
            table=str(table),
            columns=tuple(json.loads(columns or "[]")),
            key=tuple(json.loads(key or "[]")),
            ranged=ranged == "t",
            chunks=chunks_of(int(size or 0)),
        )
        for table, size, columns, key, ranged in rows
    )


def chunks_of(size: int) -> int:
    """Return into how many chunks a table of `size` bytes is cut: a power of two, since a hash is cut by its bits."""
    return min(MOST_CHUNKS, 1 << max(0, size // CHUNK_BYTES).bit_length())


def _blocks(rows: list[tuple[str | None, ...]]) -> dict[str, int]:
    return {str(table): int(count or 0) for table, count in rows}


def _digests(tables: Sequence[Layout], rows: list[tuple[Any, ...]]) -> dict[str, dict[int, Digest]]:
    found: dict[str, dict[int, Digest]] = {table.name: {} for table in tables}
    for position, chunk, *told in rows:
        found[tables[int(position)].name][int(chunk)] = Digest.told(*told)
    return found
