"""What can ail a leader, or whoever looks at it, for a while. Each is undone as it ends."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.drills.containers import inspect, labelled
from tests.drills.moves import standing_by, writers
from tests.drills.stack import Stack, docker

POSTGRES = ("-f", "^postgres: |/bin/postgres ")
PATRONI = ("-f", "/config/[p]atroni.yml")


def leading(stack: Stack) -> str:
    """Return the leader's container."""
    return stack.container(writers(stack)[0].name, "db")


def detector(stack: Stack) -> str:
    """Return the detector's container."""
    return stack.container(stack.estate.settings.witness.name, "detector")


@contextmanager
def stopped(container: str, *which: str) -> Iterator[None]:
    """Freeze processes of a container, found by pkill's arguments."""
    docker("exec", container, "pkill", "-STOP", *which)
    try:
        yield
    finally:
        docker("exec", container, "pkill", "-CONT", *which)


@contextmanager
def frozen(*containers: str) -> Iterator[None]:
    """Freeze whole containers, as a host that hangs does: their kernel still takes connections."""
    docker("pause", *containers)
    try:
        yield
    finally:
        docker("unpause", *containers)


@contextmanager
def deaf(*ways: tuple[str, str]) -> Iterator[None]:
    """Drop in silence what one container (from, to) sends to another, in that direction alone."""
    at = {name: _addresses(name) for way in ways for name in way}
    rules = [
        ["-s", ",".join(at[source]), "-d", ",".join(at[target]), "-j", "DROP"] for source, target in sorted(set(ways))
    ]
    with contextlib.ExitStack() as undo:
        for rule in rules:
            subprocess.run(["iptables", "-w", "-I", "DOCKER-USER", *rule], check=True)
            undo.callback(subprocess.run, ["iptables", "-w", "-D", "DOCKER-USER", *rule], check=True)
        yield


def _addresses(container: str) -> list[str]:
    found = inspect("container", [container])[container]["NetworkSettings"]["Networks"].values()
    return [network["IPAddress"] for network in found if network["IPAddress"]]


@contextmanager
def busy(container: str) -> Iterator[None]:
    """Let eight processes of a container ask for all the CPU there is."""
    hogs = [
        subprocess.Popen(["docker", "exec", container, "timeout", "60", "sh", "-c", "while :; do :; done"])
        for _ in range(8)
    ]
    try:
        yield
    finally:
        with suppress(subprocess.CalledProcessError):
            docker("exec", container, "pkill", "-f", "while :; do")
        for hog in hogs:
            hog.wait()


@contextmanager
def killed(*containers: str) -> Iterator[None]:
    """Kill containers at once."""
    docker("kill", *containers)
    try:
        yield
    finally:
        docker("start", *containers)


def of_site(stack: Stack, site: str) -> list[str]:
    """Return all containers of a site that run, the database first."""
    running = docker("ps", "--format", "{{.Names}}").split()
    names = [name for name in labelled("container", stack.name) if name.startswith(f"{stack.name}-{site}-")]
    return sorted((name for name in names if name in running), key=lambda name: "-db-" not in name)


@contextmanager
def cut_off(stack: Stack, site: str) -> Iterator[None]:
    """Cut a site off from all others in silence, both ways; within, it goes on."""
    here = of_site(stack, site)
    linked = inspect("container", labelled("container", stack.name))
    across = {name for name, found in linked.items() if f"{stack.name}-link" in found["NetworkSettings"]["Networks"]}
    away = across - set(here)
    pairs = [(one, other) for one in across & set(here) for other in away]
    with deaf(*pairs, *((other, one) for one, other in pairs)):
        yield


# -- faults of a leader that lives; each lasts as long as its drill says


@contextmanager
def slow_postgres(stack: Stack) -> Iterator[None]:
    """PostgreSQL does nothing for a while; Patroni beside it waits."""
    with stopped(leading(stack), *POSTGRES):
        yield


@contextmanager
def busy_leader(stack: Stack) -> Iterator[None]:
    """The leader's CPU is asked for by others."""
    with busy(leading(stack)):
        yield


@contextmanager
def frozen_patroni(stack: Stack) -> Iterator[None]:
    """Patroni does nothing, and renews no lease, while PostgreSQL serves and its standby streams."""
    with stopped(leading(stack), *PATRONI):
        yield


@contextmanager
def deaf_witness(stack: Stack) -> Iterator[None]:
    """The witness's questions do not reach the leader."""
    with deaf((detector(stack), leading(stack))):
        yield


@contextmanager
def mute_to_witness(stack: Stack) -> Iterator[None]:
    """The leader's answers do not reach the witness."""
    with deaf((leading(stack), detector(stack))):
        yield


@contextmanager
def deaf_standby(stack: Stack) -> Iterator[None]:
    """Nothing of the leader reaches its standby."""
    with deaf((leading(stack), stack.container(standing_by(stack), "db"))):
        yield


@contextmanager
def deaf_both(stack: Stack) -> Iterator[None]:
    """The leader can be heard by neither witness nor standby, and has its quorum."""
    leader = leading(stack)
    with deaf((leader, detector(stack)), (leader, stack.container(standing_by(stack), "db"))):
        yield


@contextmanager
def frozen_witness(stack: Stack) -> Iterator[None]:
    """The whole witness hangs."""
    with frozen(detector(stack), stack.container(stack.estate.settings.witness.name, "etcd")):
        yield


@contextmanager
def looked_away(stack: Stack) -> Iterator[None]:
    """The leader hangs for two seconds, and the detector from the last of them on."""
    leader = leading(stack)
    with frozen(leader):
        time.sleep(1.5)
        docker("pause", detector(stack))
        time.sleep(0.5)
    try:
        yield
    finally:
        docker("unpause", detector(stack))
