"""The seeded world: the same everywhere, plausible, and in agreement with the schema's own rules."""

from __future__ import annotations

import re
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from runbooks.adapters.borrowers import TODAY, borrower, borrowers

NUMBERS = st.integers(1, 999_999_999)


@given(NUMBERS)
def test_a_number_is_always_the_same_person(number: int) -> None:
    assert borrower(number) == borrower(number)


@given(NUMBERS)
def test_amounts_and_dates_agree(number: int) -> None:
    one = borrower(number)
    part = one.principal // one.months
    paid = (one.principal - one.outstanding) / part
    assert paid in (0, 1, 2)
    assert 0 < one.outstanding <= one.principal
    assert one.interest > 0
    assert one.granted_on < TODAY
    assert one.months > paid


@given(NUMBERS)
def test_rows_are_what_copy_takes(number: int) -> None:
    one = borrower(number)
    assert len(one.account_row().split("\t")) == 5
    assert len(one.loan_row().split("\t")) == 8
    assert "\\" not in one.account_row()
    assert re.fullmatch(r"[+0-9][0-9 -]{5,24}", one.phone)


def test_cities_and_products_are_spread_as_in_the_country() -> None:
    people = list(borrowers(1, 3000))
    cities = Counter(person.city for person in people)
    products = Counter(person.product for person in people)
    assert cities.most_common(2)[0][0] == "Jakarta"
    assert len(cities) == 13
    assert products["multiguna"] > products["motor"] > products["usaha"]
    assert len({person.holder for person in people}) > 1000


def test_known_person() -> None:
    """Loads of the same number on two machines, or two releases, must agree."""
    assert borrower(1).loan_row() == "1\t1\tmultiguna\t18000000\t1069200\t6\t18000000\t2025-12-30\n"
