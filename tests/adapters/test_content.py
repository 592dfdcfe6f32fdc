"""How tables are cut into chunks, and what the answers of psql are read as."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from runbooks.adapters import content, definitions, rows
from runbooks.adapters.content import CHUNK_BYTES, MODULUS, Digest, Layout

LOAN = Layout(
    database="credit", table="public.loan", columns=("id", "note"), key=("id",), ranged=True, chunks=4, bounds=(10, 20)
)
AUDIT = Layout(database="credit", table='"o\'dd".audit', columns=("said",), key=(), ranged=False, chunks=8)
SUMS = st.integers(-MODULUS * MODULUS, MODULUS * MODULUS)
DIGESTS = st.builds(lambda n, a, b: Digest(n, (a % MODULUS, b % MODULUS)), st.integers(0, 10**9), SUMS, SUMS)


@given(DIGESTS, DIGESTS, DIGESTS)
def test_digests_add_up_in_any_order(a: Digest, b: Digest, c: Digest) -> None:
    """As the rows of chunks do."""
    assert (a + b) + c == c + (b + a)
    assert a + Digest() == a


def test_a_table_is_cut_by_its_size() -> None:
    """Into a power of two, at most 1024."""
    sizes = (0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, 73 * CHUNK_BYTES, 10**12)
    assert [content.chunks_of(size) for size in sizes] == [1, 1, 1, 2, 128, 1024]


def test_a_chunk_is_chosen_by_range_key_or_row() -> None:
    """A hash of the key has a seed of its own."""
    named = replace(LOAN, ranged=False, key=("k", '"l m"'), bounds=())
    assert LOAN.place == "width_bucket(t.id::bigint, '{10,20}'::bigint[])"
    assert named.place == 'hashtextextended(ROW(t.k, t."l m")::text, 7) & 3'
    assert AUDIT.place == "hashtextextended((t.*)::text, 7) & 7"
    assert replace(AUDIT, chunks=1).place == "0"


def test_a_chunk_is_described() -> None:
    """By its range where it has one."""
    assert [LOAN.describe(n) for n in range(3)] == ["id below 10", "id from 10 below 20", "id from 20"]
    assert (AUDIT.describe(7), replace(AUDIT, chunks=1).describe(0)) == ("chunk 8 of 8", "")


def test_digests_are_read_by_table() -> None:
    """Sums are numeric, may be negative and longer than 64 bits; a table without a row has no chunk."""
    answer: list[tuple[str | None, ...]] = [("0", "2", "3", "-1", str(MODULUS + 5)), ("0", "0", "1", "7", "8")]
    assert content.digests([LOAN, AUDIT], 9).parse(answer) == {
        "credit.public.loan": {2: Digest(3, (MODULUS - 1, 5)), 0: Digest(1, (7, 8))},
        AUDIT.name: {},
    }


def test_a_question_has_one_snapshot_and_a_limit_in_its_database() -> None:
    """And reads the heap of the table alone."""
    query = content.digests([LOAN], 9)
    assert (query.database, query.within) == ("credit", 9)
    for part in (
        "statement_timeout = 9000;",
        "REPEATABLE READ READ ONLY;",
        "enable_indexscan = off;",
        "FROM ONLY public.loan AS t",
    ):
        assert part in query.sql


def test_names_and_keys_stand_in_literals_unhurt() -> None:
    """Quotes are doubled, backslashes too."""
    ranged = replace(AUDIT, ranged=True, key=("k",), chunks=2)
    assert "pg_relation_size('\"o''dd\".audit')" in content.bounds([ranged], 9).sql
    assert r"IN (E'(\\a''b)')" in rows.columns(LOAN, 1, [r"(\a'b)"], 9).sql


def test_definitions_are_read_by_part() -> None:
    """What has no definition is still there."""
    answer: list[tuple[str | None, ...]] = [("roles", "a", "login"), ("databases", "credit", None), ("roles", "b", "")]
    found = definitions.of_cluster().parse(answer)
    assert found == {"roles": {"a": "login", "b": ""}, "databases": {"credit": ""}}


def test_the_parts_of_a_table_meet_at_their_blocks() -> None:
    """The first begins and the last ends nowhere; of a table that is not known the last is all."""
    parts = [content.Part(n, 3, {"public.loan": 10}) for n in range(3)]
    assert [part.where("public.loan") for part in parts] == [
        " WHERE t.ctid < '(4,0)'",
        " WHERE t.ctid >= '(4,0)' AND t.ctid < '(8,0)'",
        " WHERE t.ctid >= '(8,0)'",
    ]
    assert parts[2].where("public.other") == " WHERE t.ctid >= '(0,0)'"
    assert content.Part(0, 1, {}).where("public.loan") == ""
