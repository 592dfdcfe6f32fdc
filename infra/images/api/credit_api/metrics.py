"""Counters of this process in Prometheus' text format."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds


class Metrics:
    """How many requests of each kind ended how, how long they took, and how many statements were repeated."""

    def __init__(self) -> None:
        """Start at zero."""
        self._requests: Counter[tuple[str, int]] = Counter()
        self._buckets = [0] * (len(BOUNDS) + 1)
        self._seconds = 0.0
        self.retries = 0

    def observe(self, operation: str, status: int, seconds: float) -> None:
        """Count one request that ended."""
        self._requests[operation, status] += 1
        self._buckets[bisect_left(BOUNDS, seconds)] += 1
        self._seconds += seconds

    def text(self) -> str:
        """Return what Prometheus scrapes."""
        lines = ["# TYPE credit_api_requests_total counter"]
        lines += [
            f'credit_api_requests_total{{operation="{operation}",status="{status}"}} {count}'
            for (operation, status), count in sorted(self._requests.items())
        ]
        lines += [
            "# TYPE credit_api_statement_retries_total counter",
            f"credit_api_statement_retries_total {self.retries}",
            "# TYPE credit_api_request_seconds histogram",
        ]
        below = 0
        for bound, count in zip((*BOUNDS, "+Inf"), self._buckets, strict=True):
            below += count
            lines.append(f'credit_api_request_seconds_bucket{{le="{bound}"}} {below}')
        lines += [f"credit_api_request_seconds_sum {self._seconds:.6f}", f"credit_api_request_seconds_count {below}"]
        return "\n".join(lines) + "\n"
