"""How values are spread, as lines of a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

BARS = (0.1, 0.2, 0.5, 1.0)  # seconds that one line may stand for
LINES = 20  # of these the least that need no more lines


def plot(seconds: Sequence[float]) -> list[str]:
    """Return a line for each stretch of `seconds`, with a mark for each value in it."""
    if not seconds:
        return ["None was measured."]
    bar = next((bar for bar in BARS if (max(seconds) - min(seconds)) / bar < LINES), BARS[-1])
    counts = Counter(int(each / bar) for each in seconds)
    bars = (f"{number * bar:5.1f} s  {'#' * counts[number]}" for number in range(min(counts), max(counts) + 1))
    return ["```", *(line.rstrip() for line in bars), "```"]
