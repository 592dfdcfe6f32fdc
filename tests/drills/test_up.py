"""`inv up` again and again, `inv down`, and a second operator at the same time."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from infra import pins
from infra.settings import Place, Site
from runbooks.adapters import patroni, s3
from runbooks.core.errors import Exit
from runbooks.core.leader import leader
from runbooks.core.lease import Holder, Lease
from runbooks.core.quorum import Etcd
from tests.drills.containers import identities, inspect, labelled, remains
from tests.drills.customer import PRINCIPAL, Customer, pays
from tests.drills.stack import COPIES, Stack, docker, until

pytestmark = pytest.mark.drill

NOTHING = "nothing to change"
AGAIN = 200  # seconds until the stack serves again, on a busy machine


def changes_nothing(stack: Stack) -> None:
    """Check that `up` says that there is nothing to change, and touches no container."""
    before = identities(labelled("container", stack.name))
    assert NOTHING in stack.inv("up", within=AGAIN)
    assert identities(labelled("container", stack.name)) == before


def pays_again(stack: Stack, site: Site) -> None:
    """Wait until a customer of `site` can pay."""
    until(lambda: pays(stack.estate.settings, site.name), 60, f"payments at {site.name}")


def test_a_second_up_changes_nothing_and_says_so(stack: Stack) -> None:
    changes_nothing(stack)


def test_each_up_left_a_timed_record_here_and_in_the_stores(stack: Stack) -> None:
    stack.inv("up", within=AGAIN)
    record = stack.last_record()
    assert (record["runbook"], record["outcome"]) == ("up", "done")
    assert all(step["seconds"] > 0 for step in record["steps"])
    for site in stack.estate.settings.sites:
        key = f"separuh/ledger/{record['id']}.json"
        assert stack.estate.store(site).ask(s3.get(stack.estate.settings.bucket(site), key))


def test_nor_does_one_after_a_backup(stack: Stack) -> None:
    stack.inv(*COPIES, within=300)
    changes_nothing(stack)


def test_nor_does_one_after_every_container_was_restarted(stack: Stack) -> None:
    running = list(pins.members(stack.estate.settings))
    before = identities(running)
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda name: docker("restart", name), running))
    assert not set(identities(running).items()) & set(before.items())
    changes_nothing(stack)
    for site in stack.estate.settings.sites:
        pays_again(stack, site)


def test_what_was_altered_by_hand_is_seen_and_mended(stack: Stack) -> None:
    jkt, sby = stack.estate.settings.sites
    bdg = stack.estate.settings.witness
    link = f"{stack.name}-link"
    harms: dict[str, tuple[str, list[tuple[str, ...]]]] = {
        _name(stack, jkt, "api"): ("create", [("rm", "-f")]),
        _name(stack, sby, "pooler"): ("start", [("stop", "-t", "3")]),
        _name(stack, sby, "gateway"): ("start", [("pause",)]),
        _name(stack, jkt, "route"): ("update", [("update", "--memory", "96m", "--memory-swap", "96m")]),
        _name(stack, bdg, "etcd"): ("update", [("update", "--cpu-shares", "2")]),
        _name(stack, sby, "route"): ("update", [("network", "disconnect", link), ("network", "connect", link)]),
    }
    before = identities(labelled("container", stack.name))
    for name, (_, commands) in harms.items():
        for command in commands:
            docker(*command, name)
    harmed = identities(labelled("container", stack.name))

    told = stack.inv("up", "--plan")
    for name, (verb, _) in harms.items():
        place = name.split("-")[1]
        assert re.search(rf"^{verb} +container +{place} +{name}\b", told, re.MULTILINE), told
    assert len(re.findall(r"^(?:create|start|update|replace|remove) ", told, re.MULTILINE)) == len(harms), told
    assert identities(labelled("container", stack.name)) == harmed, "a plan changes nothing"

    stack.inv("up", within=AGAIN)
    after = identities(labelled("container", stack.name))
    assert {name for name in before if after[name] != before[name]} == {
        _name(stack, jkt, "api"),
        _name(stack, sby, "pooler"),
    }
    changes_nothing(stack)
    for site in (jkt, sby):
        pays_again(stack, site)


def test_what_the_members_share_is_brought_back_to_the_config(stack: Stack) -> None:
    """A value that Patroni keeps in etcd: no file of a member reaches it once the cluster is made."""
    member = leader(stack.estate)
    member.do(patroni.share({"ttl": 30}))
    said = "cluster: ttl 30 -> 20"
    assert said in stack.inv("up", "--plan")
    assert member.ask(patroni.shared())["ttl"] == 30, "a plan changes nothing"
    assert said in stack.inv("up", within=AGAIN)
    assert member.ask(patroni.shared())["ttl"] == 20
    assert "cluster:" not in stack.inv("up", within=AGAIN)


def test_a_foreign_container_with_a_declared_name_is_left_and_named(stack: Stack) -> None:
    name = _name(stack, stack.estate.settings.sites[1], "gateway")
    image = inspect("container", [name])[name]["Config"]["Image"]
    docker("rm", "-f", name)
    foreign = docker("create", "--name", name, "--entrypoint", "true", image).strip()
    try:
        told = stack.inv("up", code=Exit.NOT_READY)
        assert f"there is a container {name} that is not of this stack" in told
        assert inspect("container", [name])[name]["Id"] == foreign
    finally:
        docker("rm", "-f", foreign)
    assert f"create {name}" in stack.inv("up", within=AGAIN)


def test_two_operators_at_once(stack: Stack) -> None:
    """The second is told who holds the lease, and changes nothing."""
    name = _name(stack, stack.estate.settings.sites[0], "gateway")
    lease = Lease(Etcd(stack.estate), stack.name)
    lease.acquire(Holder(run="a-drill", owner="colleague@elsewhere", since="today", reason="patch"))
    try:
        docker("stop", "-t", "3", name)
        told = stack.inv("up", code=Exit.LEASE_HELD)
        assert "colleague@elsewhere holds the lease" in told
        assert inspect("container", [name])[name]["State"]["Status"] == "exited"
    finally:
        lease.release()
    assert f"start {name}" in stack.inv("up", within=AGAIN)


@pytest.mark.parametrize("typed", [(), ("--confirm", "another")])
def test_down_removes_no_data_unless_the_stacks_name_is_typed(stack: Stack, typed: tuple[str, ...]) -> None:
    before = identities(labelled("container", stack.name))
    told = stack.inv("down", "--volumes", *typed, code=Exit.NOT_READY)
    assert f"--confirm {stack.name}" in told
    assert identities(labelled("container", stack.name)) == before


def test_down_leaves_the_volumes_alone_and_up_finds_the_data_in_them(stack: Stack) -> None:
    customer = Customer.at(stack.estate.settings, stack.estate.settings.sites[0].name)
    customer.pay(1)
    volumes = labelled("volume", stack.name)
    stack.inv("down", within=120)
    assert remains(stack.name) == {"container": [], "network": [], "volume": volumes}
    stack.inv("up", within=AGAIN)
    pays_again(stack, stack.estate.settings.sites[0])
    assert customer.owes() == PRINCIPAL - PRINCIPAL // 12
    # Its lease went down with etcd, and is over only some seconds after that is back.
    until(lambda: stack.leaseholder() is None, 60, "the lease of that down is over")


def _name(stack: Stack, place: Place, role: str) -> str:
    return stack.container(place.name, role)
