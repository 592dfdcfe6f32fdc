"""Disks that are nearly full, for real: of a database, and of a store; and a store filled to the size it was given."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from infra.sections import MiB
from infra.settings import Site
from runbooks.adapters import s3
from runbooks.core.errors import CommandFailed, Exit
from tests.drills.clones import stack_of_its_own
from tests.drills.filling import room
from tests.drills.limited import filled, small_volume
from tests.drills.moves import settled as movable
from tests.drills.moves import writers
from tests.drills.repositories import fill, labels, settled
from tests.drills.stack import Stack, until

pytestmark = [
    pytest.mark.drill,
    pytest.mark.full,  # a second stack beside the drills' own
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk under a volume"),
]

PORTS = {"jkt": {"gateway": 18280, "store": 18950}, "sby": {"gateway": 28280, "store": 28950}}
DISK = 3072 * MiB
STORE = 2048 * MiB  # the first site's store, on a disk that has more
PIECE = 64 * MiB
AGAIN = 300  # seconds for one backup on a busy machine


@dataclass(frozen=True)
class Small:
    """A stack whose first site's database and second site's store have a small disk each."""

    stack: Stack
    database: Path
    store: Path


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Small]:
    """Bring it up in a clone of its own; nothing of it is left."""
    root = tmp_path_factory.mktemp("small") / "clone"
    with (
        stack_of_its_own(
            "small", root, PORTS, lambda values: values["separuh:sites"][0].update(store_bytes=STORE)
        ) as stack,
        ExitStack() as disks,
    ):
        database = disks.enter_context(small_volume("small-jkt-db-1", "db", DISK))
        store = disks.enter_context(small_volume("small-sby-store-1", "store", DISK))
        stack.inv("up", within=900)
        fill(stack)
        settled(stack)
        yield Small(stack, database, store)


def test_a_leader_is_not_moved_to_a_disk_that_is_full(small: Small) -> None:
    """The standby's: it is named, and nothing was changed."""
    stack = small.stack
    if writers(stack)[0].name == "jkt":
        stack.inv("switchover", "--to", "sby", "--yes", within=AGAIN)
    movable(stack)
    with filled(small.database, left=400 * MiB):
        said = stack.inv("switchover", "--to", "jkt", "--yes", code=Exit.NOT_READY)
    assert re.search(r"small-jkt-db-1: \d+ MiB free of \d+ in /data", said), said
    assert "nothing was changed" in said
    assert [site.name for site in writers(stack)] == ["sby"]
    stack.inv("switchover", "--back", "--yes", within=AGAIN)


def test_a_database_without_room_is_not_backed_up(small: Small) -> None:
    """The precheck says how much is left, where, and what to do; nothing was changed."""
    stack = small.stack
    before = [labels(stack, site) for site in stack.estate.settings.sites]
    with filled(small.database, left=400 * MiB):
        said = stack.inv("backup", code=Exit.NOT_READY)
        assert "- small-jkt-db-1: " in stack.inv("status", code=Exit.DEGRADED)
    assert re.search(r"small-jkt-db-1: \d+ MiB free of \d+ in /data, less than the 1024 of separuh:backup", said), said
    assert "enlarge the volume, or lower separuh:backup.free_bytes" in said
    assert [labels(stack, site) for site in stack.estate.settings.sites] == before


def test_a_store_without_room_is_left_out(small: Small) -> None:
    """The other gets its backup; the one without room is not filled to the brim."""
    with filled(small.store, left=400 * MiB):
        said = small.stack.inv("backup", code=Exit.DEGRADED, within=AGAIN)
    assert re.search(r"sby: no backup there: small-sby-store-1 is short of room: \d+ MiB left on its disk", said), said
    assert set(small.stack.last_record()["figures"]["repositories"]) == {"jkt"}


def test_a_store_filled_to_its_size_refuses_and_takes_backups_again_when_it_is_larger(small: Small) -> None:
    """It says so to whoever writes, where Ceph alone would keep it waiting; nobody starts or mends anything by hand."""
    stack = small.stack
    site = stack.estate.settings.sites[0]
    with pytest.raises(CommandFailed, match="QuotaExceeded"):
        fill_store(stack, site)
    assert not room(stack, site).blocked
    assert "- small-jkt-store-1 is nearly full: " in stack.inv("status", code=Exit.DEGRADED)
    said = stack.inv("backup", "--no-fingerprint", code=Exit.DEGRADED, within=AGAIN)
    assert "jkt: no backup there: small-jkt-store-1 is nearly full: " in said
    config = stack.root / "Pulumi.small.yaml"
    config.write_text(config.read_text().replace(str(STORE), str(2 * STORE)))
    stack.inv("up", within=AGAIN)
    until(lambda: grown(stack, site), AGAIN, "the store is larger")
    settled(stack)
    stack.inv("backup", "--no-fingerprint", within=AGAIN)
    assert stack.last_record()["outcome"] == "done"


def fill_store(stack: Stack, site: Site) -> None:
    """Put as much into its bucket as it is large; CommandFailed when it refuses."""
    for number in range(STORE // PIECE):
        stack.estate.store(site).do(s3.put(stack.estate.settings.bucket(site), f"filler/{number}", os.urandom(PIECE)))


def grown(stack: Stack, site: Site) -> bool:
    """Say whether the store has twice the room; it ends and starts meanwhile."""
    try:
        return room(stack, site).size == 2 * STORE
    except CommandFailed:
        return False
