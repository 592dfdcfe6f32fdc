"""A store that answers, and refuses: its user is suspended, so that every request of ours ends with a 403."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from infra.settings import Site
from runbooks.core.errors import Exit
from tests.drills.repositories import BACKING_UP, fill, main_processes, nothing_is_left, settled
from tests.drills.stack import COPIES, Stack, docker, until

pytestmark = pytest.mark.drill


@contextmanager
def refusing(stack: Stack, site: Site) -> Iterator[None]:
    """Let `site`'s store refuse meanwhile; afterwards the next backup is whole again."""
    admin = ("exec", stack.container(site.name, "store"), "radosgw-admin", "user")
    docker(*admin, "suspend", "--uid", "separuh")
    try:
        yield
    finally:
        docker(*admin, "enable", "--uid", "separuh")
    settled(stack)
    stack.inv(*COPIES, within=300)
    assert stack.last_record()["outcome"] == "done"
    nothing_is_left(stack)


def degraded(stack: Stack, site: Site) -> None:
    """Check that the newest backup went to the other site alone."""
    record = stack.last_record()
    assert record["outcome"] == "degraded"
    assert set(record["figures"]["repositories"]) == {s.name for s in stack.estate.settings.sites} - {site.name}


def test_a_store_that_refuses_gets_no_backup_and_the_other_does(stack: Stack) -> None:
    site = stack.estate.settings.sites[1]
    settled(stack)
    with refusing(stack, site):
        said = stack.inv(*COPIES, code=Exit.DEGRADED, within=300)
        assert f"{site.name}: no backup there: {stack.name}-{site.name}-store refuses bucket" in said
        assert "Is the key of the stack's secrets the store's own" in said
        degraded(stack, site)


def test_a_store_that_begins_to_refuse_during_a_backup(stack: Stack) -> None:
    site = stack.estate.settings.sites[0]
    fill(stack)
    settled(stack)
    journals = stack.journals()
    runner = stack.begin(*COPIES, "--kind", "full")
    until(lambda: stack.reached(BACKING_UP, journals) and bool(main_processes(stack)), 120, "backing up")
    with refusing(stack, site):
        said, _ = runner.communicate(timeout=300)
        assert runner.returncode == Exit.DEGRADED, said
        assert f"{site.name}: no backup there" in said
        assert "the store refuses the backup's key: compare the stack's secrets with the store's own" in said
        degraded(stack, site)
