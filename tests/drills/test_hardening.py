"""The walls around every container, as the engine shows them and as the kernel holds them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable

import pytest

from infra import pins
from infra.images import of_role
from infra.settings import ROOT, Place
from tests.drills.containers import Inspected, inspect, labelled
from tests.drills.stack import Stack, docker, until

pytestmark = pytest.mark.drill

NAMESPACES = ("NetworkMode", "PidMode", "IpcMode", "UTSMode", "UsernsMode")
NONE_AT_ALL = {"CapPrm": 0, "CapEff": 0, "CapBnd": 0, "CapAmb": 0}


@pytest.fixture(scope="module")
def members(stack: Stack) -> dict[str, Inspected]:
    """Every container that runs, by name: exactly those that the config declares."""
    declared = pins.members(stack.estate.settings)
    found = inspect("container", labelled("container", stack.name))
    assert set(found) == set(declared) | {f"{name}-files" for name in declared}
    return {name: found[name] for name in declared}


@pytest.fixture(scope="module")
def holders(members: dict[str, Inspected]) -> dict[str, Inspected]:
    """The containers that hold files for the others and never run."""
    return inspect("container", [f"{name}-files" for name in members])


def role(stack: Stack, name: str) -> str:
    """Return what a member does."""
    return pins.members(stack.estate.settings)[name]


def place(stack: Stack, name: str) -> Place:
    """Return where a member is."""
    return next(place for place in stack.estate.settings.places if name.startswith(f"{stack.name}-{place.name}-"))


def status(name: str) -> dict[str, str]:
    """Return what the kernel says of a container's first process."""
    lines = docker("exec", name, "cat", "/proc/1/status").splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def all_of(*sorts: dict[str, Inspected]) -> Iterable[tuple[str, Inspected]]:
    """Yield the containers of every sort."""
    for sort in sorts:
        yield from sort.items()


def test_no_process_belongs_to_root_or_to_a_name(
    stack: Stack, members: dict[str, Inspected], holders: dict[str, Inspected]
) -> None:
    for name, found in all_of(members, holders):
        uid = of_role(role(stack, name.removesuffix("-files"))).uid
        assert uid > 0
        assert found["Config"]["User"] == f"{uid}:{uid}", name
    for name, found in members.items():
        owners = {line.split()[0] for line in docker("top", name, "-eo", "uid,pid").splitlines()[1:]}
        assert owners == {found["Config"]["User"].partition(":")[0]}, name


def test_no_capability_is_left_and_none_can_come_back(
    members: dict[str, Inspected], holders: dict[str, Inspected]
) -> None:
    for name, found in all_of(members, holders):
        host = found["HostConfig"]
        assert (host["CapDrop"], host["CapAdd"] or [], host["Privileged"]) == (["ALL"], [], False), name
    for name in members:
        kernel = status(name)
        assert {key: int(kernel[key], 16) for key in NONE_AT_ALL} == NONE_AT_ALL, name


def test_no_new_privileges(members: dict[str, Inspected], holders: dict[str, Inspected]) -> None:
    for name, found in all_of(members, holders):
        assert "no-new-privileges:true" in (found["HostConfig"]["SecurityOpt"] or []), name
    for name in members:
        assert status(name)["NoNewPrivs"] == "1", name


def test_the_root_cannot_be_written(members: dict[str, Inspected]) -> None:
    for name, found in members.items():
        assert found["HostConfig"]["ReadonlyRootfs"], name
        written = ["docker", "exec", "--user", "0", name, "touch", "/usr/written"]
        tried = subprocess.run(written, capture_output=True, text=True, check=False)
        assert tried.returncode, name
        assert "Read-only file system" in tried.stderr, name


def test_nothing_of_the_engines_machine_is_shared(members: dict[str, Inspected], holders: dict[str, Inspected]) -> None:
    for name, found in all_of(members, holders):
        host = found["HostConfig"]
        assert "host" not in {host[key] for key in NAMESPACES}, name
        assert not host["Devices"], name
        assert {mount["Type"] for mount in found["Mounts"]} == {"volume"}, name
    for name, found in holders.items():
        assert found["HostConfig"]["NetworkMode"] == "none", name
        assert found["State"]["Status"] == "created", name


def test_memory_and_weight_are_limited(stack: Stack, members: dict[str, Inspected]) -> None:
    for name, found in members.items():
        wanted, host = stack.estate.settings.member(role(stack, name)), found["HostConfig"]
        limits = host["Memory"], host["MemorySwap"], host["CpuShares"]
        assert limits == (wanted.memory, wanted.memory, wanted.cpu_shares), name
        assert min(limits) > 0, name


def test_only_gateways_and_stores_are_published_and_only_at_the_declared_address(
    stack: Stack, members: dict[str, Inspected]
) -> None:
    published = set()
    for name, found in members.items():
        for bindings in (found["NetworkSettings"]["Ports"] or {}).values():
            for binding in bindings or []:
                assert binding["HostIp"] == place(stack, name).publish.address, name
                published.add(role(stack, name))
    assert published == {"gateway", "store"}


def test_every_member_is_asked_for_its_health_and_is_healthy(members: dict[str, Inspected]) -> None:
    assert not [name for name, found in members.items() if not found["Config"].get("Healthcheck")]

    def sick() -> set[str]:
        found = inspect("container", members)
        return {name for name in found if found[name]["State"]["Health"]["Status"] != "healthy"}

    until(lambda: not sick(), 90, "every member is healthy")


def test_every_image_is_the_pinned_one(
    stack: Stack, members: dict[str, Inspected], holders: dict[str, Inspected]
) -> None:
    pinned = pins.pins(stack.estate.settings, ROOT)
    built = inspect("image", sorted(set(pinned.values())))
    for name, found in all_of(members, holders):
        pin = pinned[name.removesuffix("-files")]
        assert re.fullmatch(r"separuh/[a-z]+:[0-9a-f]{12}", pin), name
        assert (found["Config"]["Image"], found["Image"]) == (pin, built[pin]["Id"]), name


def test_config_is_read_only_and_closed_to_others(stack: Stack, members: dict[str, Inspected]) -> None:
    for name, found in members.items():
        config = {mount["Destination"]: mount for mount in found["Mounts"]}["/config"]
        assert (config["Name"], config["RW"]) == (f"{name}-config", False), name
        files = docker("exec", name, "find", "/config", "-type", "f", "-printf", "%m %U %G %f\n").splitlines()
        uid = of_role(role(stack, name)).uid
        assert {line.rpartition(" ")[0] for line in files} == {f"400 {uid} {uid}"}, name
        assert {"ca.crt", "tls.crt", "tls.key"} < {line.rpartition(" ")[2] for line in files}, name
