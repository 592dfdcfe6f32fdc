"""Quantiles, gaps, and when a run counts for nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbooks.core.figures import Figures, Seen, figures, quantile, stall

MOMENTS = st.lists(st.floats(0, 10), max_size=50)


@pytest.mark.parametrize(("part", "expected"), [(0.5, 50), (0.9, 90), (0.99, 99), (1.0, 100), (0.001, 1)])
def test_quantiles_of_a_hundred(part: float, expected: float) -> None:
    assert quantile(list(range(1, 101)), part) == expected


def test_no_values_have_no_quantile() -> None:
    assert quantile([], 0.5) is None


def test_the_gap_before_the_first_and_after_the_last_count() -> None:
    assert stall([4.0, 5.0], 6.0) == 4.0
    assert stall([1.0, 2.0], 6.0) == 4.0
    assert stall([], 6.0) == 6.0


@given(MOMENTS)
def test_no_gap_is_longer_than_the_stall(moments: list[float]) -> None:
    worst = stall(moments, 10.0)
    inside = sorted(moment for moment in moments if moment < 10)
    assert all(
        any(start <= moment <= start + worst for moment in [*inside, 10.0])
        for start in [0.0, *inside]
        if start + worst <= 10
    )
    assert 0 < worst <= 10


@pytest.mark.parametrize(
    ("sent", "late", "void"),
    [(100, 0.01, ""), (94, 0.01, "could not keep the rate"), (95, 0.01, ""), (100, 0.3, "too busy to measure")],
)
def test_a_probe_that_measured_itself_is_void(sent: int, late: float, void: str) -> None:
    seen = {"g": Seen(sent=sent, latencies=[0.01] * sent, acknowledged_at=[0.01 * n for n in range(sent)])}
    result = figures(100, 1.0, seen, [late] * sent)
    assert void in result.void
    assert bool(result.void) == bool(void)


def test_figures_survive_json() -> None:
    result = figures(100, 1.0, {"g": Seen(sent=1, latencies=[0.5], acknowledged_at=[0.5])}, [0.0])
    assert Figures.parse(result.dump()) == result
