"""A store whose disk hangs, or whose machine is paused: it answers again by itself."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from infra.settings import Site
from runbooks.adapters import s3
from runbooks.core.errors import CommandFailed
from tests.drills.stack import Stack, docker, until

pytestmark = pytest.mark.drill

STILL = 25  # seconds: Ceph's read lease is 16 by default, and what ran out with it was never renewed
SIGNAL = 'for p in /proc/[0-9]*; do [ "$(cat $p/comm)" = ceph-osd ] && kill -{} "${{p#/proc/}}"; done; true'


def answers(stack: Stack, site: Site) -> bool:
    """Say whether the store of `site` can list what its bucket holds."""
    settings = stack.estate.settings
    try:
        stack.estate.store(site).ask(s3.folders(settings.bucket(site), "pgbackrest/"))
    except CommandFailed:
        return False
    return True


def test_a_store_that_stood_still_answers_again(stack: Stack) -> None:
    """Asked meanwhile: the requests that wait are the first thing that it sees when it goes on."""
    site = stack.estate.settings.sites[0]
    store = stack.container(site.name, "store")
    assert answers(stack, site)
    docker("exec", store, "sh", "-c", SIGNAL.format("STOP"))
    try:
        with ThreadPoolExecutor() as pool:
            pool.map(lambda _: answers(stack, site), range(4))
            time.sleep(STILL)
    finally:
        docker("exec", store, "sh", "-c", SIGNAL.format("CONT"))
    until(lambda: answers(stack, site), 20, f"{store} answers again")
