"""`inv backup` on the real stack, on good days and bad ones."""

from __future__ import annotations

import json
import subprocess

import pytest

from runbooks.adapters import pgbackrest, s3
from runbooks.parts import mirror
from runbooks.parts.repositories import cluster, inventory
from tests.drills.repositories import (
    BACKING_UP,
    fill,
    labels,
    main_processes,
    nothing_is_left,
    settled,
    sites_of,
)
from tests.drills.stack import COPIES, Stack, until

pytestmark = pytest.mark.drill


@pytest.fixture(scope="module", autouse=True)
def ballast(stack: Stack) -> None:
    """Enough data for a backup to be met while it runs."""
    fill(stack)
    settled(stack)


def test_a_backup_is_in_both_repositories_and_its_lock_is_proved(stack: Stack) -> None:
    """The good day: two backups listed with the run's id, figures per site, the lock proved at both."""
    stack.inv("backup", within=300)
    record = stack.last_record()
    assert record["outcome"] == "done"
    for site in sites_of(stack):
        mine = [b for b in inventory(stack.estate, [site]).backups if b.run == record["id"]]
        assert [b.label for b in mine] == [record["figures"]["repositories"][site.name]["label"]]
        assert record["figures"]["lock"][site.name] == "proved"
        mirrored = stack.estate.store(site).ask(s3.get(stack.estate.settings.bucket(site), mirror.KEY))
        assert mirrored == mirror.sealed(stack.estate.settings)
    listed = json.loads(stack.inv("backup.list", "--json"))["backups"]
    assert {row["site"] for row in listed if row["run"] == record["id"]} == {site.name for site in sites_of(stack)}


def test_a_deleted_segment_is_named(stack: Stack) -> None:
    """pgBackRest's verify does not miss a segment that is not there; ours says which it is."""
    site = sites_of(stack)[0]
    settings, store = stack.estate.settings, stack.estate.store(sites_of(stack)[0])
    stack.inv(*COPIES, "--kind", "incr", within=300)  # so that the archive reaches beyond the segment that goes
    prefix = pgbackrest.archived(settings.cluster, settings.database.major)
    keys = [key for key in store.ask(s3.keys(settings.bucket(site), prefix)) if pgbackrest.segment(key)]
    lost = keys[len(keys) // 2]
    whole = store.ask(s3.head(settings.bucket(site), lost))
    client = store.client
    marker = client.delete_object(Bucket=settings.bucket(site), Key=lost)["VersionId"]
    try:
        assert f"segment {pgbackrest.segment(lost)} is missing" in stack.inv("backup.verify", code=7, within=300)
    finally:
        client.delete_object(Bucket=settings.bucket(site), Key=lost, VersionId=marker)
    assert store.ask(s3.head(settings.bucket(site), lost)) == whole
    assert "missing" not in stack.inv("backup.verify", within=300)


def test_one_store_down_then_whole_again(stack: Stack) -> None:
    """The backup goes to the other store and says so; the next one, with the store back, goes to both."""
    down, up = sites_of(stack)
    before = labels(stack, down)
    with stack.stopped(down.name, "store"):
        said = stack.inv(*COPIES, code=7, within=300)
        assert f"{down.name}: no backup there" in said
        assert stack.last_record()["figures"]["repositories"].keys() == {up.name}
    settled(stack)
    assert labels(stack, down) == before
    stack.inv(*COPIES, within=300)
    assert stack.last_record()["figures"]["repositories"].keys() == {down.name, up.name}


def test_two_operators_at_once(stack: Stack) -> None:
    """The second is told who holds the lease, exits 5 and changes nothing; the first ends done."""
    journals = stack.journals()
    first = stack.begin(*COPIES, "--kind", "full")
    until(lambda: stack.reached(BACKING_UP, journals), 120, "backing up")
    said = stack.inv("backup", code=5)
    assert "holds the lease" in said
    output, _ = first.communicate(timeout=300)
    assert first.returncode == 0, output


def test_the_leader_moves_during_a_backup(stack: Stack) -> None:
    """A switchover under a running backup: the run waits for the new leader and ends with two backups."""
    journals = stack.journals()
    runner = stack.begin("backup", "--kind", "full")
    until(lambda: stack.reached(BACKING_UP, journals) and bool(main_processes(stack)), 120, "backing up")
    before = cluster(stack.estate).leader.name
    switchover = ("patronictl", "-c", "/config/patroni.yml", "switchover", "--force")
    subprocess.run(["docker", "exec", before, *switchover], check=True, capture_output=True)
    output, _ = runner.communicate(timeout=300)
    assert cluster(stack.estate).leader.name != before
    assert runner.returncode in (0, 7), output
    assert "the leader moved, and pgBackRest ended with" in output, "the backup had ended before: nothing was shown"
    settled(stack)
    stack.inv(*COPIES, within=300)
    nothing_is_left(stack)


def test_interrupted_by_the_operator(stack: Stack) -> None:
    """Ctrl-C while pgBackRest runs: it is ended, exit 6, and the next backup succeeds."""
    journals = stack.journals()
    runner = stack.begin(*COPIES, "--kind", "full")
    until(lambda: stack.reached(BACKING_UP, journals) and bool(main_processes(stack)), 120, "backing up")
    runner.send_signal(2)
    output, _ = runner.communicate(timeout=120)
    assert runner.returncode == 6, output
    assert not main_processes(stack)
    assert stack.leaseholder() is None
    stack.inv(*COPIES, within=300)
    nothing_is_left(stack)
