"""A stack of the drills' own, from `./inv up` to `./inv down`."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.drills.containers import remains
from tests.drills.moves import settled
from tests.drills.stack import Stack


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Bring the stack `test` up, and take it down with its data at the end.

    SEPARUH_DRILL_STACK names a stack that stands already, and is left standing.
    """
    standing = os.environ.get("SEPARUH_DRILL_STACK")
    drilled = Stack(standing or "test")
    try:
        if not standing:
            clear(drilled)  # what a killed session left, whose secrets may be gone with its clone
            drilled.inv("up", within=900)
        yield drilled
    finally:
        if not standing:
            clear(drilled)
            assert not any(remains(drilled.name).values())
        drilled.close()


@pytest.fixture
def rested(stack: Stack) -> Iterator[None]:
    """A drill that asks for it begins and ends with one leader, the other site in sync, and both poolers open."""
    settled(stack)
    yield
    settled(stack)


def clear(drilled: Stack) -> None:
    """Take the stack down with its data; what does not stand is down already."""
    drilled.inv("down", "--volumes", "--confirm", drilled.name, within=120)
