"""What status concludes: silence is never taken for health, nor for an outage."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra.settings import ROOT, Site, container
from runbooks.adapters.ceph import Room
from runbooks.adapters.docker import Container, Space
from runbooks.adapters.etcd import Endpoint
from runbooks.adapters.gate import Held, Passage
from runbooks.adapters.patroni import Cluster, Member
from runbooks.adapters.pgbackrest import Inventory
from runbooks.adapters.postgres import Archiver
from runbooks.core.gather import Silence, gather
from runbooks.health import judge, members
from tests.core.fake import SETTINGS
from tests.runbooks.fake import finished

NOW = datetime(2026, 1, 2, tzinfo=UTC)
GIB = 1 << 30
ROOM = Room(size=20 * GIB, used=2 * GIB, near=17 * GIB, full=19 * GIB, blocked=False, disk=100 * GIB, wanted=18 * GIB)
TWO = SETTINGS.sites[1]
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
            waiting=0, lag_seconds=0, wal_bytes=1, last_archived="", last_failed="", failed_count=0, leads=site == one
        )
        said["disk", site.name] = Space(size=200 << 30, free=100 << 30)
        said["room", site.name] = ROOM
        said["store", site.name] = said["gateway", site.name] = None
        said["passage", site.name] = Passage(paused=False, trouble="")
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


@pytest.mark.parametrize("topic", ["members", "etcd", "store", "room", "backups", "gateway", "passage"])
def test_silence_about_anything_degrades(topic: str) -> None:
    said = answers() | {(topic, "two"): SILENT}
    health = judge(SETTINGS, said, NOW)
    assert health.word == "degraded"
    assert all(problem.startswith("two: ") for problem in health.problems)


def test_who_has_no_vote_is_told_and_what_gives_it_back() -> None:
    """By the word of one that decides: after a failover by hand it is the only one, silent or not the others."""
    alone = Endpoint(
        address="", has_leader=True, leads=True, term=3, database_bytes=1, voters=(container(SETTINGS, TWO, "etcd"),)
    )
    given_up = Endpoint(address="", has_leader=False, leads=False, term=2, database_bytes=1, voters=("a", "b", "c"))
    said = answers() | {("etcd", "two"): alone, ("etcd", "one"): given_up, ("etcd", "wit"): SILENT}
    told = [problem for problem in judge(SETTINGS, said, NOW).problems if "rejoin" in problem]
    assert told == [
        "one: its etcd has no vote, and the one that has is alone: ./inv rejoin --stack unit one",
        "wit: its etcd has no vote, and the one that has is alone: ./inv rejoin --stack unit wit",
    ]


def test_a_lost_quorum_says_how_it_is_got_back() -> None:
    """Of nobody's silence alone."""
    lonely = Endpoint(address="", has_leader=False, leads=False, term=2, database_bytes=1)
    said = answers() | {("etcd", "one"): SILENT, ("etcd", "two"): lonely, ("etcd", "wit"): SILENT}
    assert any("./inv failover --stack unit --to" in problem for problem in judge(SETTINGS, said, NOW).problems)
    said |= {("etcd", "two"): SILENT}
    assert not any("./inv failover" in problem for problem in judge(SETTINGS, said, NOW).problems)


def test_a_disk_that_is_nearly_full_degrades() -> None:
    said = answers() | {("disk", "two"): Space(size=3 << 30, free=5 << 20)}
    (problem,) = judge(SETTINGS, said, NOW).problems
    assert problem.startswith("unit-two-db-1: 5 MiB free of 3072 in /data")


@pytest.mark.parametrize(
    ("room", "said"),
    [
        (replace(ROOM, used=17 << 30), "unit-two-store-1 is nearly full: 17408 MiB of 20480 MiB used"),
        (replace(ROOM, used=20 << 30, blocked=True), "unit-two-store-1 is full: 20480 MiB of 20480 MiB used"),
        (replace(ROOM, disk=5 << 20), "unit-two-store-1 is short of room: 5 MiB left on its disk"),
    ],
)
def test_a_store_that_is_nearly_full_degrades(room: Room, said: str) -> None:
    """It answers all the same, and everybody can read."""
    health = judge(SETTINGS, answers() | {("room", "two"): room}, NOW)
    (problem,) = health.problems
    assert problem.startswith(said)
    assert health.places[1].store == "answers"


def test_a_company_s_own_store_is_not_asked_for_its_room() -> None:
    said = {key: value for key, value in answers().items() if key != ("room", "two")}
    health = judge(SETTINGS, said, NOW)
    assert (health.word, health.places[1].room) == ("healthy", "")


def test_a_pooler_of_an_older_image_is_told_apart_from_a_silent_one() -> None:
    said = answers() | {("passage", "two"): Passage(paused=False, trouble="", dated=True)}
    health = judge(SETTINGS, said, NOW)
    (problem,) = health.problems
    assert problem.startswith("two: the pooler's image is from before switchover")
    assert health.places[1].payments == "gateway answers, pooler is of an older image, route unknown"


def test_a_paused_pooler_is_named_with_whoever_did_it() -> None:
    said = answers() | {("passage", "two"): Passage(paused=True, trouble="", gate=Held(run="r7", state="holding"))}
    health = judge(SETTINGS, said, NOW)
    assert health.problems == ["two: the pooler is paused, by r7"]
    assert health.places[1].payments == "gateway answers, pooler holds payments, route leads to the leader"


def test_a_route_that_leads_nowhere_is_named() -> None:
    said = answers() | {("passage", "one"): Passage(paused=False, trouble="connection refused")}
    assert judge(SETTINGS, said, NOW).problems == ["one: the route leads to no leader: connection refused"]


def test_a_paused_patroni_degrades() -> None:
    paused = replace(answers()["cluster", "one"], paused=True)
    said = answers() | {("cluster", site.name): paused for site in SETTINGS.sites}
    assert judge(SETTINGS, said, NOW).problems == ["Patroni is paused: nobody takes over from a leader that is lost"]


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
    said["archiver", "one"] = replace(said["archiver", "one"], leads=False)
    health = judge(SETTINGS, said, NOW)
    assert health.word == "not serving"
    assert health.problems[0] == "no database says that it takes writes; Patroni names no leader"


def test_a_leader_that_patroni_still_names_and_that_is_silent_does_not_serve() -> None:
    """Its lease in the quorum outlives it by up to its ttl."""
    health = judge(SETTINGS, answers() | {("archiver", "one"): SILENT}, NOW)
    assert (health.word, health.in_sync) == ("not serving", False)
    assert health.problems[0] == "no database says that it takes writes; Patroni names unit-one-db-1"


def test_a_leader_that_patroni_does_not_name_yet_serves() -> None:
    said = answers()
    said["archiver", "one"] = SILENT
    said["archiver", "two"] = replace(said["archiver", "two"], leads=True)
    assert judge(SETTINGS, said, NOW).serving


def test_two_that_take_writes_are_named() -> None:
    said = answers()
    said["archiver", "two"] = replace(said["archiver", "two"], leads=True)
    health = judge(SETTINGS, said, NOW)
    assert health.word == "degraded"
    assert "the databases of one and two both take writes" in "\n".join(health.problems)


def test_an_old_backup_and_a_stopped_member_are_named() -> None:
    said = answers()
    said["backups", "one"] = _inventory(1, NOW - timedelta(hours=27))
    name = container(SETTINGS, SETTINGS.sites[1], "api", 2)
    said["members", "two"] = {k: v for k, v in said["members", "two"].items() if k != name}
    health = judge(SETTINGS, said, NOW)
    assert health.problems == [
        f"{name} does not run (not there)",
        "one: the last backup is 27 h old: ./inv backup --stack unit",
    ]


def test_a_question_that_never_ends_is_given_up() -> None:
    found = gather({"quick": lambda: 1, "never": threading.Event().wait}, 0.3)
    assert found == {"quick": 1, "never": Silence("no answer within 0.3 s")}


def test_such_a_question_does_not_keep_the_process_from_ending() -> None:
    asks = "import threading; from runbooks.core.gather import gather; gather({1: threading.Event().wait}, 0.1)"
    subprocess.run([sys.executable, "-c", asks], cwd=ROOT, check=True, timeout=30)
