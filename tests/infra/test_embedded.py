"""Drills of the embedded engine on a real Docker engine: whatever happens, another `up` ends where it should."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import docker
import pytest

from infra import base_image, embedded_change
from infra.collect import Declared, collect
from infra.embedded import ApplyFailed, apply, down
from infra.embedded_objects import Refused
from infra.embedded_plan import Plan, plan
from infra.engines import Engines, EngineUnreachable
from infra.present import look
from infra.settings import ROOT
from tests.infra.cut import Cut
from tests.infra.estate_of_three import Choices, program, settings, stack_of_this_process

pytestmark = pytest.mark.drill

STACK = stack_of_this_process()
MEMBER = f"{STACK}-jkt-db-1"
MANY = 50  # more changes than any member takes to make
ALL, FEW = Choices(), Choices(places=("jkt",))
Up = Callable[..., list[tuple[str, str]]]


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    """Return a client of the real engine, which has the image that the members run."""
    with_image = docker.from_env()
    base_image.ensure(with_image)
    yield with_image
    with_image.close()


@pytest.fixture
def up(tmp_path: Path, client: docker.DockerClient) -> Iterator[Up]:
    """Return `up`, which answers with what it changed; afterwards nothing of the stack is left."""

    def bring(choices: Choices = FEW, only: tuple[str, ...] = ()) -> list[tuple[str, str]]:
        with Engines(settings(tmp_path, STACK)) as engines:
            planned = _planned(engines, choices, only)
            apply(planned, engines, lambda *_: None)
            return [(change.verb, change.name) for change in planned.changes]

    yield bring
    with Engines(settings(tmp_path, STACK)) as engines:
        down(engines, volumes=True, report=lambda *_: None)
    left = look(client, STACK).found
    assert not any(left.values()), f"left behind: {left}"


def _planned(engines: Engines, choices: Choices, only: tuple[str, ...] = ()) -> Plan:
    return plan(collect(program(STACK, choices), stack=STACK), engines, only=only)


def test_up_makes_all_and_again_changes_nothing_also_after_a_restart(up: Up, client: docker.DockerClient) -> None:
    assert len(up(ALL)) == 13
    assert up(ALL) == []
    client.containers.get(MEMBER).restart(timeout=0)
    assert up(ALL) == []
    assert client.containers.get(MEMBER).exec_run(["cat", "/config/password"]).output == b"hush-hush-hush"


@pytest.mark.parametrize(
    ("harm", "mended"),
    [
        (("stop", "-t", "0", MEMBER), "start"),
        (("pause", MEMBER), "start"),
        (("rm", "-f", MEMBER), "create"),
        (("update", "--memory", "16m", "--memory-swap", "16m", MEMBER), "update"),
        (("update", "--restart", "no", MEMBER), "update"),
        (("network", "disconnect", f"{STACK}-link", MEMBER), "update"),
    ],
)
def test_what_was_altered_by_hand_is_seen_and_mended(up: Up, harm: tuple[str, ...], mended: str) -> None:
    up()
    subprocess.run(("docker", *harm), check=True, capture_output=True)
    assert up() == [(mended, MEMBER)]
    assert up() == []


def test_a_container_made_anew_by_hand_with_other_walls_is_replaced(up: Up, client: docker.DockerClient) -> None:
    up()
    labels = client.containers.get(MEMBER).labels
    client.containers.get(MEMBER).remove(force=True)
    client.containers.run(base_image.TAG, ["sleep", "1000"], name=MEMBER, labels=labels, user="0", detach=True)
    assert up() == [("replace", MEMBER)]
    assert client.containers.get(MEMBER).attrs["HostConfig"]["ReadonlyRootfs"]


def test_a_network_removed_by_hand_is_made_and_its_member_attached_again(up: Up, client: docker.DockerClient) -> None:
    up()
    client.containers.get(MEMBER).stop(timeout=0)
    client.networks.get(f"{STACK}-jkt").remove()
    assert up() == [("create", f"{STACK}-jkt"), ("update", MEMBER)]
    attached = client.containers.get(MEMBER).attrs["NetworkSettings"]["Networks"][f"{STACK}-jkt"]
    assert attached["NetworkID"] == client.networks.get(f"{STACK}-jkt").id
    assert up() == []


def test_other_files_reach_the_running_member_without_replacing_it(up: Up, client: docker.DockerClient) -> None:
    up()
    before = client.containers.get(MEMBER).id
    changed = replace(FEW, password="a new one")  # noqa: S106
    assert up(changed, only=("jkt",)) == [("replace", f"{MEMBER}-files")]
    member = client.containers.get(MEMBER)
    assert member.id == before
    assert member.exec_run(["cat", "/config/password"]).output == b"a new one"
    assert member.exec_run(["stat", "-c", "%u:%g %a", "/config/password"]).output == b"5432:5432 400\n"
    assert up(changed, only=("jkt",)) == []


def test_no_secret_is_in_what_the_engine_shows(up: Up, client: docker.DockerClient) -> None:
    up()
    assert ALL.password not in repr([one.attrs for one in client.containers.list(all=True)])


def test_what_is_no_longer_declared_goes_and_its_volume_stays(up: Up, client: docker.DockerClient) -> None:
    up(ALL)
    gone = up(Choices(places=("jkt", "sby")))
    assert sorted(gone) == [
        ("remove", f"{STACK}-bdg"),
        ("remove", f"{STACK}-bdg-db-1"),
        ("remove", f"{STACK}-bdg-db-1-files"),
    ]
    assert client.volumes.get(f"{STACK}-bdg-db-1-config")


def test_another_type_is_refused_before_anything_is_made(up: Up, client: docker.DockerClient) -> None:
    with pytest.raises(Refused, match="random:index/randomPet:RandomPet"):
        up(Choices(extra="random:index/randomPet:RandomPet"))
    assert not any(look(client, STACK).found.values())


@pytest.mark.parametrize("kind", ["container", "network", "volume"])
def test_a_name_taken_by_somebody_else_is_refused_and_left(up: Up, client: docker.DockerClient, kind: str) -> None:
    name = f"{STACK}-jkt" if kind == "network" else f"{MEMBER}-config" if kind == "volume" else MEMBER
    image = (base_image.TAG, "true") if kind == "container" else ()
    named = ("--name", name) if kind == "container" else (name,)
    subprocess.run(("docker", kind, "create", *named, *image), check=True, capture_output=True)
    try:
        with pytest.raises(Refused, match=rf"there is a {kind} {name} "):
            up()
        assert not any(look(client, STACK).found.values())
    finally:
        subprocess.run(("docker", kind, "rm", name), check=True, capture_output=True)


def test_an_engine_that_goes_away_is_told_and_the_next_up_goes_on(
    up: Up, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut one request for a change later each time, first while making and then while replacing."""
    for choices in (FEW, replace(FEW, command=("sleep", "1001"))):
        cuts = 0
        while True:
            path = tmp_path / f"{choices.command[1]}-{cuts}.sock"
            with Cut(path, "/var/run/docker.sock", changes=cuts), monkeypatch.context() as patch:
                patch.setenv("DOCKER_HOST", f"unix://{path}")
                try:
                    up(choices)
                    break
                except ApplyFailed as failure:
                    assert "run the same again" in str(failure)  # noqa: PT017 - all of them fail but the last
                    assert cuts < MANY, failure  # noqa: PT017 - there are fewer changes
                    cuts += 1
        assert cuts > 3
        assert up(choices) == []


def test_an_engine_that_is_not_there_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with Engines(settings(tmp_path, STACK)) as engines, pytest.raises(EngineUnreachable, match=r"jkt: .* DOCKER_HOST"):
        engines.client("jkt")


@pytest.mark.parametrize("line", [1, 9])
def test_killed_in_the_middle_the_next_up_goes_on(up: Up, tmp_path: Path, line: int) -> None:
    child = subprocess.Popen(
        (sys.executable, "-m", "tests.infra.up_alone", STACK, str(tmp_path)),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        text=True,
    )
    assert child.stdout
    for _ in range(line):
        assert child.stdout.readline().startswith("create"), "the child ended before it could be killed"
    child.send_signal(signal.SIGKILL)
    child.communicate()
    mended = up(ALL)
    assert {name.endswith(".new") for verb, name in mended if verb == "remove"} <= {True}
    assert 0 < len([name for verb, name in mended if verb != "remove"]) <= 13 - line
    assert up(ALL) == []


def test_down_keeps_volumes_unless_told(up: Up, tmp_path: Path, client: docker.DockerClient) -> None:
    up()
    with Engines(settings(tmp_path, STACK)) as engines:
        down(engines, volumes=False, report=lambda *_: None)
    left = look(client, STACK).found
    assert (len(left["container"]), len(left["network"]), len(left["volume"])) == (0, 0, 1)
    assert len(up(replace(FEW, memory_mb=16))) == 4


def test_a_network_made_a_second_time_by_the_last_request_of_a_killed_up_goes(
    up: Up, client: docker.DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It came right before a new member's start, which is told of an ambiguous name."""
    start = embedded_change._start

    def started_late(name: str, one: Declared, at: docker.DockerClient) -> None:
        at.api.create_network(f"{STACK}-jkt", labels=client.networks.get(f"{STACK}-jkt").attrs["Labels"])
        start(name, one, at)

    monkeypatch.setattr(embedded_change, "_start", started_late)
    assert ("create", MEMBER) in up()
    assert len(client.networks.list(names=[f"{STACK}-jkt"])) == 1
    assert up() == []
