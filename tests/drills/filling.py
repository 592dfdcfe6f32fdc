"""A store that is full by Ceph's own limits, without writing as much: the limits are brought down to what it holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from infra.settings import Site
from runbooks.adapters import ceph
from runbooks.adapters.ceph import Room
from tests.drills.stack import Stack, docker, until

RATIOS = {"nearfull": 0.85, "backfillfull": 0.9, "full": 0.95}  # Ceph's own
NOTICED = 60  # seconds for an OSD to see that it is full, or no longer: it looks every six


def room(stack: Stack, site: Site) -> Room:
    """Ask the store itself."""
    return stack.estate.member(site, "store").ask(ceph.room())


def limit(stack: Stack, site: Site, **ratios: float) -> None:
    """Set Ceph's ratios, each a share of the store's size."""
    for name, ratio in ratios.items():
        docker("exec", stack.container(site.name, "store"), "ceph", "osd", f"set-{name}-ratio", f"{ratio:.6f}")


@contextmanager
def nearly_full(stack: Stack, site: Site) -> Iterator[None]:
    """Let it hold more than it should, and still take all that is written."""
    seen = room(stack, site)
    limit(stack, site, nearfull=0.5 * seen.used / seen.size)
    try:
        yield
    finally:
        limit(stack, site, **RATIOS)


@contextmanager
def full(stack: Stack, site: Site) -> Iterator[None]:
    """Let its writers wait meanwhile."""
    seen = room(stack, site)
    limit(stack, site, **dict.fromkeys(RATIOS, 0.5 * seen.used / seen.size))
    try:
        until(lambda: room(stack, site).blocked, NOTICED, "the store calls itself full")
        yield
    finally:
        limit(stack, site, **RATIOS)
        until(lambda: not room(stack, site).blocked, NOTICED, "the store has room again")
