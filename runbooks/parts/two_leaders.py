"""Two leaders, told from what both sides of a fault heard: the old one that acknowledges beside the new, or in vain.

A server tells its timeline with each write that it takes, so it matters not which side a path leads to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runbooks.adapters.both_sides import Heard

TOLD = 10  # at most so many are named


@dataclass(frozen=True)
class Path:
    """One path from a site: how many writes were acknowledged by it, how many of them by the new leader.

    `refused` are those that were not, once the fault was in place.
    """

    site: str
    name: str
    acknowledged: int
    later: int
    refused: int


@dataclass(frozen=True)
class Verdict:
    """What was acknowledged and is gone, and what the old leader acknowledged when there was a new one already."""

    lost: Sequence[str]
    overlapping: Sequence[str]
    paths: Sequence[Path]
    acknowledged: int
    behind: int  # by the old leader, once the fault was in place


def compare(
    heard: dict[str, Heard], offsets: dict[str, float], gone: list[str], timeline: str, struck_at: float
) -> Verdict:
    """Return the verdict on what each site heard; `timeline` is the old leader's, `gone` what is not there any more."""
    moments = [(each, each.at - offsets[site], site) for site, its in heard.items() for each in its.acknowledged]
    later = [moment for each, moment, _ in moments if each.timeline > timeline]
    first = min(later, default=float("inf"))
    old = [(each, moment, site) for each, moment, site in moments if each.timeline == timeline]
    overlapping = [
        f"{each.key} at {moment - first:.3f} s after the first of the new leader"
        for each, moment, site in old
        if moment > first
    ]
    paths = []
    for site, its in heard.items():
        for name in sorted({each.path for each in its.acknowledged} | {each.path for each in its.refused}):
            by = [each for each in its.acknowledged if each.path == name]
            no = sum(each.path == name and each.at - offsets[site] > struck_at for each in its.refused)
            paths.append(Path(site, name, len(by), sum(each.timeline > timeline for each in by), no))
    behind = sum(moment > struck_at for _, moment, _ in old)
    return Verdict(gone[:TOLD], overlapping[:TOLD], paths, len(moments), behind)
