"""The digests of tables, on a real PostgreSQL: no order matters, and no change of content stays unseen."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import LiteralString

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runbooks.adapters import content
from runbooks.adapters.content import Digest, Layout
from tests.proof.conftest import DATABASE, Session

pytestmark = pytest.mark.drill

LIKE = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
Chunks = Mapping[int, Digest]

# Each pair looks alike to somebody: to `=`, to a hash of values, to a client that shows them, or to a careless reader.
ALIKE = [
    ("text", "''", "NULL"),
    ("text", "'NULL'", "NULL"),
    ("text", "'a'", "'a '"),
    ("text", "E'\\u00e9'", "E'e\\u0301'"),
    ("text", "E'a\\nb'", "E'a\\\\nb'"),
    ("text", "'\\N'", "NULL"),
    ("varchar(9)", "'(1,2)'", "'1,2'"),
    ("bigint", "1", "4294967296"),
    ("bigint", "100000", "100001"),
    ("numeric", "1.0", "1.00"),
    ("numeric", "'NaN'", "NULL"),
    ("float8", "0", "'-0'"),
    ("float8", "0.1", "0.1::float8 + 1.4e-17::float8"),
    ("float4", "1.1", "1.1000001"),
    ("boolean", "false", "NULL"),
    ("bytea", "''", "NULL"),
    ("bytea", "'\\x00'", "'\\x0000'"),
    ("json", """'{"a": 1}'""", """'{"a":1}'"""),
    ("jsonb", "'null'", "NULL"),
    ("jsonb", """'{"a": 1}'""", """'{"a": 1.0}'"""),
    ("int[]", "'{}'", "NULL"),
    ("int[]", "'{NULL}'", "'{}'"),
    ("int[]", "'{1}'", "'[0:0]={1}'"),
    ("int[]", "'{1,2,3,4}'", "'{{1,2},{3,4}}'"),
    ("text[]", """'{"a,b"}'""", "'{a,b}'"),
    ("text[]", "'{NULL}'", """'{"NULL"}'"""),
    ("interval", "'1 day'", "'24 hours'"),
    ("interval", "'1 month'", "'30 days'"),
    ("timestamptz", "'2026-11-22 10:00:00+07'", "'2026-11-22 10:00:00.000001+07'"),
    ("timestamp", "'infinity'", "'-infinity'"),
    ("timetz", "'10:00+07'", "'03:00+00'"),
    ("date", "'2026-11-22'", "'2026-11-22 BC'"),
    ("point", "'(0,1)'", "'(1,0)'"),
    ("xml", "'<a/>'", "'<a></a>'"),
    ("bit varying", "B'0'", "B'00'"),
    ("int4range", "'[1,2)'", "'empty'"),
    ("money", "'1'", "'1.01'"),
    ("uuid", "'00000000-0000-0000-0000-000000000001'", "'00000000-0000-0000-0000-000000000010'"),
]


def table(session: Session, name: str = "public.t") -> Layout:
    """Return the layout of one table, uncut."""
    return next(each for each in session.ask(content.layouts(DATABASE)) if each.table == name)


def digest(session: Session, layout: Layout) -> Chunks:
    """Return the digests of its chunks."""
    return session.ask(content.digests([layout], 60))[layout.name]


def cut(layout: Layout) -> Layout:
    """Cut it in eight, however small it is; of a key that is a number, ranges."""
    return replace(layout, chunks=8, bounds=tuple(range(0, 70, 10)) if layout.ranged else ())


@pytest.mark.parametrize("key", ["", ", PRIMARY KEY (id)"], ids=["keyless", "keyed"])
@pytest.mark.parametrize(("kind", "one", "other"), ALIKE)
def test_values_that_look_alike_differ(server: Session, kind: str, one: str, other: str, key: str) -> None:
    """In a table with and without a primary key, and the first value back gives the first digest back."""
    server.run(f"DROP TABLE IF EXISTS t; CREATE TABLE t (id int, v {kind}{key})")
    server.run(f"INSERT INTO t VALUES (1, {one})")  # noqa: S608  literals of this file
    layout = cut(table(server))
    before = digest(server, layout)
    server.run(f"UPDATE t SET v = {other}")  # noqa: S608
    assert digest(server, layout) != before
    server.run(f"UPDATE t SET v = {one}")  # noqa: S608
    assert digest(server, layout) == before


ROWS = st.lists(st.tuples(st.integers(-5, 90), st.sampled_from(["", "a", "b", None])), max_size=12)
KEYED = ROWS.map(lambda rows: list(dict(rows).items()))
KEYS = {"keyless": (ROWS, ""), "number": (KEYED, ", PRIMARY KEY (k)"), "words": (KEYED, ", PRIMARY KEY (w, k)")}


CHANGES: list[LiteralString] = [
    "UPDATE t SET v = coalesce(v, '') || 'c' WHERE k = %(k)s",
    "UPDATE t SET v = nullif(v, '') WHERE k = %(k)s",
    "DELETE FROM t WHERE ctid = (SELECT ctid FROM t WHERE k = %(k)s LIMIT 1)",
    "UPDATE t SET k = k + 1000 WHERE k = %(k)s",
    "INSERT INTO t SELECT 99, NULL WHERE %(k)s IS NOT NULL",
    "DELETE FROM t WHERE %(k)s IS NOT NULL",
]


def fill(session: Session, key: str, rows: list[tuple[int, str | None]]) -> Layout:
    """Make the table with these rows, laid down in this order."""
    session.run(f"DROP TABLE IF EXISTS t; CREATE TABLE t (k int, v text, w text DEFAULT 'x'{key})")
    for k, v in rows:
        session.connection(DATABASE).execute("INSERT INTO t (k, v) VALUES (%s, %s)", (k, v))
    return cut(table(session))


@pytest.mark.parametrize("name", KEYS)
@LIKE
@given(data=st.data())
def test_only_the_rows_count_and_each_of_them(server: Session, name: str, data: st.DataObject) -> None:
    """Two tables have the same digest if, and only if, one is a permutation of the other."""
    strategy, key = KEYS[name]
    one = data.draw(strategy)
    other = data.draw(st.one_of(st.permutations(one), strategy))
    first = digest(server, fill(server, key, one))
    second = digest(server, fill(server, key, list(other)))
    text = [sorted(map(repr, rows)) for rows in (one, other)]
    assert (first == second) == (text[0] == text[1])
    assert sum(chunk.rows for chunk in first.values()) == len(one)


@pytest.mark.parametrize("name", KEYS)
@LIKE
@given(data=st.data())
def test_a_single_change_is_seen(server: Session, name: str, data: st.DataObject) -> None:
    """A value changed, "" made NULL, one row of several removed, a key changed, a row added, all removed."""
    strategy, key = KEYS[name]
    rows = data.draw(strategy.filter(lambda rows: len(rows) > 1))
    layout = fill(server, key, rows)
    before = digest(server, layout)
    k, v = data.draw(st.sampled_from(rows))
    statement = data.draw(st.sampled_from([change for change in CHANGES if v == "" or "nullif" not in change]))
    server.connection(DATABASE).execute(statement, {"k": k})
    assert digest(server, layout) != before


def test_values_swapped_between_rows_are_seen(session: Session) -> None:
    """A sum of hashes that are themselves sums over columns would not see it."""
    session.run("CREATE TABLE t (k int PRIMARY KEY, v bigint, w bigint); INSERT INTO t VALUES (1, 10, 20), (2, 30, 40)")
    before = digest(session, table(session))
    session.run("UPDATE t SET v = 40 - v")
    assert digest(session, table(session)) != before


def test_doubles_do_not_cancel_out(session: Session) -> None:
    """As they would in an XOR: a, a, b is neither b nor a, b, b."""
    seen = []
    for rows in ("('b')", "('a'), ('a'), ('b')", "('a'), ('b'), ('b')", "('a'), ('a'), ('a'), ('b')"):
        session.run("DROP TABLE IF EXISTS t; CREATE TABLE t (v text)")
        session.run(f"INSERT INTO t VALUES {rows}")  # noqa: S608
        seen.append(digest(session, table(session)))
    assert all(seen.count(each) == 1 for each in seen)


def test_a_row_that_moves_to_another_chunk_changes_both(session: Session) -> None:
    """And nothing else."""
    session.run("CREATE TABLE t (k bigint PRIMARY KEY, v int); INSERT INTO t SELECT g, 1 FROM generate_series(1, 69) g")
    layout = cut(table(session))
    before = digest(session, layout)
    session.run("UPDATE t SET k = 1000 WHERE k = 15")
    after = digest(session, layout)
    assert [n for n in before if before[n] != after[n]] == [2, 7]
    assert layout.describe(2) == "k from 10 below 20"
    assert (layout.describe(0), layout.describe(7)) == ("k below 0", "k from 60")


def test_chunks_of_a_large_table_are_about_equal(session: Session) -> None:
    """Also where keys have a gap in which nearly all numbers lie."""
    session.run(
        "CREATE TABLE t (k bigint PRIMARY KEY, v text);"
        "INSERT INTO t SELECT g, repeat('x', 60) FROM generate_series(1, 60000) g;"
        "INSERT INTO t SELECT 1000000000 + g, repeat('x', 60) FROM generate_series(1, 40000) g;"
    )
    layout = table(session)
    starts = session.ask(content.bounds([layout], 60))[layout.name]
    found = digest(session, replace(layout, bounds=starts))
    assert (layout.chunks, len(starts), len(found)) == (16, 15, 16)
    assert all(100_000 / 32 < chunk.rows < 100_000 / 8 for chunk in found.values())


def test_awkward_names_and_kinds(session: Session) -> None:
    """Partitions are read and not their parents; a child is not read with its parent; no name breaks a statement."""
    session.run(
        'CREATE SCHEMA "a:b\'c\\";'
        'CREATE TABLE "a:b\'c\\"."t" (t int, "ROW" int, "x""y:z" int, PRIMARY KEY ("x""y:z", t));'
        'INSERT INTO "a:b\'c\\"."t" VALUES (1, 2, 3);'
        "CREATE TABLE nothing (); INSERT INTO nothing DEFAULT VALUES;"
        "CREATE TABLE parent (k int); CREATE TABLE child () INHERITS (parent); INSERT INTO child VALUES (1);"
        "CREATE TABLE parts (k int PRIMARY KEY) PARTITION BY RANGE (k);"
        "CREATE TABLE low PARTITION OF parts FOR VALUES FROM (0) TO (10); INSERT INTO parts VALUES (5);"
        "CREATE UNLOGGED TABLE lost (k int); CREATE MATERIALIZED VIEW seen AS SELECT * FROM parts;"
        "CREATE TABLE no_rows (k int); SELECT lo_from_bytea(4242, 'x')"
    )
    layouts = session.ask(content.layouts(DATABASE))
    found = session.ask(content.digests([cut(layout) for layout in layouts], 60))
    rows = {name.partition(".")[2]: sum(chunk.rows for chunk in chunks.values()) for name, chunks in found.items()}
    assert rows == {
        '"a:b\'c\\".t': 1,
        "pg_catalog.pg_largeobject": 1,
        "public.child": 1,
        "public.low": 1,
        "public.no_rows": 0,
        "public.nothing": 1,
        "public.parent": 0,
        "public.seen": 1,
    }


def test_a_table_of_many_rows_in_another_order(session: Session) -> None:
    """Written by other hands, with dead rows in between and other pages, it is still the same table."""
    numbers = list(range(20_000))
    seen = []
    for seed in (1, 2):
        random.Random(seed).shuffle(numbers)  # noqa: S311  an order, no secret
        session.run("DROP TABLE IF EXISTS t; CREATE TABLE t (k int PRIMARY KEY, v text)")
        with session.connection(DATABASE).cursor().copy("COPY t FROM STDIN") as copy:
            for number in numbers:
                copy.write_row((number, f"v{number}"))
        session.run("UPDATE t SET v = v WHERE k % 7 = 3")
        seen.append(digest(session, cut(table(session))))
    assert seen[0] == seen[1]
