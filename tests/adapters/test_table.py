"""One table brought in under another name: which name, and the commands by equality."""

from __future__ import annotations

import pytest

from runbooks.adapters import table
from runbooks.core.errors import SeparuhError


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("payment", "public.payment_20261124t131000"),
        ("public.payment", "public.payment_20261124t131000"),
        ("books.posting_2026", "books.posting_2026_20261124t131000"),
        (f"public.{'a' * 63}", f"public.{'a' * 47}_20261124t131000"),
    ],
)
def test_the_name_says_of_which_moment_it_is(typed: str, name: str) -> None:
    """PostgreSQL cuts a longer name without a word, and it would be somebody else's."""
    assert table.copied_as(typed, "20261124t131000") == name
    assert len(name.partition(".")[2]) <= table.LONGEST


@pytest.mark.parametrize("typed", ["", "a b", 'x"; DROP TABLE y', "Payment", "a.b.c", "public.", "it's"])
def test_what_is_no_name(typed: str) -> None:
    """It stands in statements, so nothing else may be in it."""
    with pytest.raises(SeparuhError, match="--table"):
        table.named(typed)


def test_it_is_streamed_whole_or_not_at_all() -> None:
    command = table.carry_over("copy", "leader", "public.payment_x", "credit", 60)
    assert command.argv[3:] == ("bash", "copy", "leader", "public.payment_x", "credit")
    assert "--single-transaction" in command.argv[2]
    assert "pipefail" in command.argv[2]
