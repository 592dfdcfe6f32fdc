"""What is told of a clock that is wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from runbooks.core import clock


@pytest.mark.parametrize(
    ("ahead", "told"),
    [
        (timedelta(days=1), "24.0 h ahead of the store's"),
        (timedelta(minutes=-30), "0.5 h behind the store's"),
        (timedelta(seconds=2), ""),
    ],
)
def test_how_far_two_clocks_are_apart_is_told_from_the_date_of_an_answer(ahead: timedelta, told: str) -> None:
    date = format_datetime(datetime.now(UTC) - ahead, usegmt=True)
    said = clock.between({"ResponseMetadata": {"HTTPHeaders": {"date": date}}})
    assert told in said
    assert bool(said) == bool(told)


def test_a_store_that_does_not_say_its_time_is_not_blamed_on_the_clock() -> None:
    assert clock.between({}) == ""


def test_a_certificate_that_is_not_valid_yet_or_any_more_asks_for_the_clock() -> None:
    assert "clock right?" in clock.blamed("certificate verify failed: certificate is not yet valid (_ssl.c:992)")
    assert "clock right?" in clock.blamed("certificate verify failed: certificate has expired (_ssl.c:992)")
    assert clock.blamed("certificate verify failed: self-signed certificate") == ""
