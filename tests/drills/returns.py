"""What a drill of coming back does to a place, and what it then asks of the stack."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from infra.settings import Place
from runbooks.adapters import timelines, voters
from runbooks.core.customers import Customers
from runbooks.core.errors import CommandFailed
from runbooks.health import members
from runbooks.parts.repositories import archived, cluster, inventory
from runbooks.pay import audited, customers
from tests.drills.moves import writers
from tests.drills.stack import Stack, docker, until

RATE, AT_MOST = 100, 240  # payments a second, and seconds of them there must be instalments for


def place_of(stack: Stack, name: str) -> Place:
    """Return a place by its name."""
    return next(place for place in stack.estate.settings.places if place.name == name)


def containers(stack: Stack, place: str) -> tuple[str, ...]:
    """Return the names of a place's containers."""
    return members(stack.estate.settings, place_of(stack, place))


def lose(stack: Stack, place: str) -> None:
    """Let a place go down all at once: no program of it gets to say goodbye."""
    docker("kill", *containers(stack, place))


def lose_disks(stack: Stack, place: str, *roles: str) -> None:
    """Let a place go down and lose its data, with the containers that had it."""
    names = containers(stack, place)
    docker("rm", "--force", *names)
    docker("volume", "rm", *(f"{stack.container(place, role)}-data" for role in roles))


def let_other_lead(stack: Stack, site: str) -> None:
    """Wait until the site leads alone."""
    until(lambda: [each.name for each in writers(stack)] == [site], 90, f"{site} leads")


@contextmanager
def paid_beside(stack: Stack, site: str) -> Iterator[None]:
    """Have customers pay through one site's gateway meanwhile; none of them fails, and nothing acknowledged is lost."""
    probe = customers(stack.estate, RATE, AT_MOST)
    gateway = {site: probe.order.gateways[site]}
    probe = Customers(replace(probe.order, gateways=gateway))
    with probe:
        yield
        figures = probe.stop()
        audit = audited(stack.estate, probe)
    assert audit.holds
    assert figures.acknowledged > 0
    assert figures.failed_requests == 0, figures.gateways


def is_back(stack: Stack, site: str) -> None:
    """Expect a standby in sync, three voters of one quorum, and a repository from which the site can restore alone."""
    seen = cluster(stack.estate)
    assert seen.in_sync
    assert seen.leader.name != stack.container(site, "db")
    assert len(quorum(stack, site)) == len(stack.estate.settings.places)
    there = stack.estate.settings.site(site)
    assert inventory(stack.estate, [there]).of(stack.estate.settings.repository(there))
    number = seen.leader.timeline
    assert number == timelines.FIRST or number in map(timelines.archived, archived(stack.estate, there))


def quorum(stack: Stack, asked: str) -> set[str]:
    """Return which members vote, as the etcd of a place lists them."""
    try:
        listed = stack.estate.member(place_of(stack, asked), "etcd").ask(voters.members())
    except CommandFailed:
        return set()
    return {each.name for each in listed.voters}


def reform(stack: Stack, survivor: str) -> None:
    """Form the quorum anew of one place's etcd alone, as is done when the two others are lost for good.

    Its data is brought over under another cluster's number, so that no old member is of it.
    """
    name = stack.container(survivor, "etcd")
    settings = docker("exec", name, "cat", "/config/etcd.yml")
    peer = next(line.split()[1] for line in settings.splitlines() if line.startswith("initial-advertise-peer-urls"))
    docker("stop", "-t", "3", name)
    image = json.loads(docker("inspect", name))[0]["Image"]
    options = f"--name {name} --initial-cluster {name}={peer} --initial-advertise-peer-urls {peer}"
    script = (
        "rm -rf /data/old && mv /data/etcd /data/old && etcdutl snapshot restore /data/old/member/snap/db "
        f"--skip-hash-check --data-dir /data/etcd --initial-cluster-token reformed {options} 2>&1"
    )
    mounted = ("--volume", f"{name}-data:/data")
    subprocess.run(
        ["docker", "run", "--rm", "--network", "none", *mounted, "--entrypoint", "sh", image, "-ec", script],
        check=True,
        capture_output=True,
        text=True,
    )
    docker("start", name)
