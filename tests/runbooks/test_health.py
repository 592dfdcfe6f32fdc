"""What status concludes: silence is never taken for health, nor for an outage."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra.settings import ROOT, Site, container
from runbooks.adapters.docker import Container, Space
from runbooks.adapters.etcd import Endpoint
from runbooks.adapters.patroni import Cluster, Member
from runbooks.adapters.pgbackrest import Inventory
from runbooks.adapters.postgres import Archiver
from runbooks.core.gather import Silence, gather
from runbooks.health import judge, members
from tests.core.fake import SETTINGS
from tests.runbooks.fake import finished

NOW = datetime(2026, 1, 2, tzinfo=UTC)
SILENT = Silence("no answer within 2 s")


def answers() -> dict[tuple[str, str], Any]:
    """Return what the members of a healthy stack say."""
    one, two = SETTINGS.sites
    cluster = Cluster(
        (
            Member(name=_db(one), role="leader", state="running", timeline=1, lag_bytes=None),
            Member(
                name=container(SETTINGS, two, "db"), role="sync_standby", state="streaming", timeline=1, lag_bytes=0
            ),
        )
    )
    said: dict[tuple[str, str], Any] = {("lease", ""): None}
    for place in SETTINGS.places:
        said["members", place.name] = {
            name: Container(name=name, running=True, status="running", health="healthy")
            for name in members(SETTINGS, place)
        }
        said["etcd", place.name] = Endpoint(address="", has_leader=True, leads=place == one, term=2, database_bytes=1)
    for site in SETTINGS.sites:
        said["cluster", site.name] = cluster
        said["archiver", site.name] = Archiver(
            waiting=0, lag_seconds=0, wal_bytes=1, last_archived="", last_failed="", failed_count=0
        )
        said["disk", site.name] = Space(size=200 << 30, free=100 << 30)
        said["store", site.name] = None
        said["backups", site.name] = _inventory(SETTINGS.repository(site), NOW - timedelta(hours=2))
    return said


def _db(site: Site) -> str:
    return container(SETTINGS, site, "db")


def _inventory(repository: int, ended: datetime) -> Inventory:
    return Inventory(backups=(finished("full", ended, repository),), faults={}, running=False)


def test_a_healthy_stack_has_no_problems() -> None:
    health = judge(SETTINGS, answers(), NOW)
    assert (health.word, health.problems) == ("healthy", [])
    assert health.places[0].members == "9 of 9 run"
    assert health.places[1].backup == "full, 2.0 h ago"


@pytest.mark.parametrize("topic", ["members", "etcd", "store", "backups"])
def test_silence_about_anything_degrades(topic: str) -> None:
    said = answers() | {(topic, "two"): SILENT}
    health = judge(SETTINGS, said, NOW)
    assert health.word == "degraded"
    assert all(problem.startswith("two: ") for problem in health.problems)


def test_a_disk_that_is_nearly_full_degrades() -> None:
    said = answers() | {("disk", "two"): Space(size=3 << 30, free=5 << 20)}
    (problem,) = judge(SETTINGS, said, NOW).problems
    assert problem.startswith("unit-two-db-1: 5 MiB free of 3072 in /data")


def test_of_what_a_silent_engine_left_the_last_line_is_told() -> None:
    said = answers() | {("members", "two"): Silence("two: docker inspect … did not end in time\n    ssh: timed out")}
    assert judge(SETTINGS, said, NOW).problems == ["two: the engine does not answer: ssh: timed out"]


def test_a_lease_that_nobody_could_be_asked_about_is_not_called_free() -> None:
    assert judge(SETTINGS, answers(), NOW).lease_known
    assert not judge(SETTINGS, answers() | {("lease", ""): SILENT}, NOW).lease_known


def test_one_silent_database_is_spoken_for_by_the_other() -> None:
    assert judge(SETTINGS, answers() | {("cluster", "one"): SILENT}, NOW).serving


def test_when_no_database_answers_nothing_is_claimed() -> None:
    said = answers() | {("cluster", site.name): SILENT for site in SETTINGS.sites}
    assert judge(SETTINGS, said, NOW).word == "not known"


def test_no_leader_is_not_serving() -> None:
    said = answers()
    standby = said["cluster", "one"].members[1]
    said |= {("cluster", site.name): Cluster((standby,)) for site in SETTINGS.sites}
    assert judge(SETTINGS, said, NOW).word == "not serving"


def test_an_old_backup_and_a_stopped_member_are_named() -> None:
    said = answers()
    said["backups", "one"] = _inventory(1, NOW - timedelta(hours=27))
    name = container(SETTINGS, SETTINGS.sites[1], "api", 2)
    said["members", "two"] = {k: v for k, v in said["members", "two"].items() if k != name}
    health = judge(SETTINGS, said, NOW)
    assert health.problems == [f"{name} does not run (not there)", "one: the last backup is 27 h old: ./inv backup"]


def test_a_question_that_never_ends_is_given_up() -> None:
    found = gather({"quick": lambda: 1, "never": threading.Event().wait}, 0.3)
    assert found == {"quick": 1, "never": Silence("no answer within 0.3 s")}


def test_such_a_question_does_not_keep_the_process_from_ending() -> None:
    asks = "import threading; from runbooks.core.gather import gather; gather({1: threading.Event().wait}, 0.1)"
    subprocess.run([sys.executable, "-c", asks], cwd=ROOT, check=True, timeout=30)
