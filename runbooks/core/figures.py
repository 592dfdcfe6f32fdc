"""What a probe saw, in numbers; counted from what happened and when, so that it can be tested without a network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from math import ceil
from typing import Any

LATE = 0.25  # seconds; a probe that sends later than this (99th percentile) measured itself
SENT = 0.95  # of the asked rate


@dataclass
class Seen:
    """What happened at one gateway. Times are seconds since the probe began, latencies seconds from when due."""

    sent: int = 0
    failed: int = 0
    retried: int = 0
    latencies: list[float] = field(default_factory=list)
    acknowledged_at: list[float] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, kw_only=True)
class Gateway:
    """One gateway's figures. Latencies are milliseconds, None where nothing was acknowledged."""

    sent: int
    acknowledged: int
    failed_requests: int
    retried: int
    p50: float | None
    p90: float | None
    p99: float | None
    max: float | None
    write_stall_seconds: float
    reasons: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Figures:
    """A probe's result. `void` says why nothing may be claimed from it; empty where it may.

    `failed_requests` are first attempts without an acknowledgement in time, `retried` those that the service repeated
    by itself. `write_stall_seconds` is the longest time without an acknowledgement, at the gateway where it was worst.
    """

    rate: float
    seconds: float
    sent: int
    acknowledged: int
    failed_requests: int
    retried: int
    write_stall_seconds: float
    late_p99_seconds: float
    void: str
    gateways: Mapping[str, Gateway]

    def dump(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return asdict(self)

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Figures:
        """Return the figures that `dump` gave."""
        gateways = {name: Gateway(**gateway) for name, gateway in values["gateways"].items()}
        return cls(**{**values, "gateways": gateways})


def quantile(values: Sequence[float], part: float) -> float | None:
    """Return the smallest of the sorted `values` that `part` of them do not exceed; None of no values."""
    return values[max(0, ceil(part * len(values)) - 1)] if values else None


def stall(acknowledged_at: Sequence[float], until: float) -> float:
    """Return the longest gap, in seconds, between acknowledgements from 0 to `until`, both ends included."""
    moments = [0.0, *sorted(moment for moment in acknowledged_at if moment < until), until]
    return max(after - before for before, after in pairwise(moments))


def figures(rate: float, seconds: float, seen: Mapping[str, Seen], late: Sequence[float]) -> Figures:
    """Add up what was `seen` in `seconds` of sending; `late` are the seconds by which each send missed its time."""
    gateways = {name: _gateway(one, seconds) for name, one in seen.items()}
    sent = sum(gateway.sent for gateway in gateways.values())
    late_p99 = quantile(sorted(late), 0.99) or 0.0
    return Figures(
        rate=rate,
        seconds=round(seconds, 3),
        sent=sent,
        acknowledged=sum(gateway.acknowledged for gateway in gateways.values()),
        failed_requests=sum(gateway.failed_requests for gateway in gateways.values()),
        retried=sum(gateway.retried for gateway in gateways.values()),
        write_stall_seconds=max(gateway.write_stall_seconds for gateway in gateways.values()),
        late_p99_seconds=round(late_p99, 4),
        void=_void(rate * seconds, sent, late_p99),
        gateways=gateways,
    )


def _gateway(seen: Seen, seconds: float) -> Gateway:
    latencies = sorted(1000 * latency for latency in seen.latencies)
    p50, p90, p99 = (quantile(latencies, part) for part in (0.5, 0.9, 0.99))
    return Gateway(
        sent=seen.sent,
        acknowledged=len(latencies),
        failed_requests=seen.failed,
        retried=seen.retried,
        p50=_rounded(p50),
        p90=_rounded(p90),
        p99=_rounded(p99),
        max=_rounded(latencies[-1] if latencies else None),
        write_stall_seconds=round(stall(seen.acknowledged_at, seconds), 3),
        reasons=dict(seen.reasons),
    )


def _rounded(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else round(milliseconds, 2)


def _void(asked: float, sent: int, late_p99: float) -> str:
    if sent < SENT * asked:
        return f"sent {sent} of {asked:.0f} payments: this machine could not keep the rate"
    if late_p99 > LATE:
        return f"one payment in a hundred was sent {late_p99:.2f} s late or more: this machine was too busy to measure"
    return ""
