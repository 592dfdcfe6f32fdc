"""The detector of a dead leader on the real stack: what makes it act, what does not, and what a false alarm costs."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from runbooks.core.figures import Figures
from runbooks.pay import audited, customers
from tests.drills import ailing
from tests.drills.ailing import cut_off, deaf, detector, frozen, killed, leading, of_site
from tests.drills.clones import Values, stack_of_its_own
from tests.drills.moves import standing_by, writers
from tests.drills.stack import Stack, docker, until

pytestmark = [
    pytest.mark.drill,
    pytest.mark.usefixtures("rested"),
    pytest.mark.full,  # a second stack beside the drills' own, which has no detector
]

PORTS = {"jkt": {"gateway": 16080, "store": 16900}, "sby": {"gateway": 26080, "store": 26900}}
RATE, AT_MOST = 40, 60  # payments a second, and seconds of them there must be instalments for
ALARMS = 5

# What the detector does at a verdict, without one: a false alarm as bad as can be.
FALSE_ALARM = """
import json, ssl
from dead_leader.etcd import Etcd
config = json.load(open("/config/detector.json"))
context = ssl.create_default_context(cafile="/config/ca.crt")
context.load_cert_chain("/config/tls.crt", "/config/tls.key")
etcd = Etcd(config["etcd"], f"/service/{config['cluster']}/", context)
for _ in range(20):
    mark = etcd.mark(config["mark"])
    if etcd.depose(etcd.view(), (config["mark"], mark)):
        print("deposed")
        break
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack with a detector, in a clone of its own, with enough instalments for the payments of every drill here."""
    root = tmp_path_factory.mktemp("watched") / "clone"
    with stack_of_its_own("watched", root, PORTS, with_a_detector) as watched:
        watched.inv("up", within=900)
        watched.inv("seed", "--loans", "20000", within=300)
        yield watched


def with_a_detector(values: Values) -> None:
    """Let the witness have one."""
    values.setdefault("separuh:failover", {})["detector"] = True


def told(stack: Stack) -> list[str]:
    """Return what the detector has said."""
    logs = ["docker", "logs", detector(stack)]
    said = subprocess.run(logs, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    return re.findall(r"^detector: (.*)$", said, re.MULTILINE)


def acted(stack: Stack) -> int:
    """Return how often it took a leader's key."""
    return sum(line.startswith("took the key") for line in told(stack))


@contextmanager
def paid(stack: Stack) -> Iterator[list[Figures]]:
    """Let customers pay meanwhile; at the end every acknowledged payment is there, once, and one site leads."""
    seen: list[Figures] = []
    with customers(stack.estate, RATE, AT_MOST) as probe:
        yield seen
        seen.append(probe.stop())
        until(lambda: len(writers(stack)) == 1, 60, "one leader")
        audit = audited(stack.estate, probe)
    assert audit.holds, audit
    assert audit.acknowledged > 0


# -- a leader that lives

ALIVE = [
    pytest.param(ailing.slow_postgres, 3, id="PostgreSQL stopped for three seconds"),
    pytest.param(ailing.deaf_both, 9, id="heard by neither witness nor standby"),
    pytest.param(ailing.looked_away, 6, id="the detector frozen in the middle"),
    pytest.param(ailing.busy_leader, 9, id="CPU hogged"),
    pytest.param(ailing.frozen_patroni, 9, id="Patroni frozen while PostgreSQL streams"),
    pytest.param(ailing.deaf_witness, 9, id="not reached by the witness"),
    pytest.param(ailing.mute_to_witness, 9, id="not heard by the witness"),
    pytest.param(ailing.deaf_standby, 9, id="not heard by the standby"),
    pytest.param(ailing.frozen_witness, 9, id="the witness frozen"),
]


@pytest.mark.parametrize(("ails", "seconds"), ALIVE)
def test_a_leader_that_lives_keeps_its_key(
    stack: Stack, ails: Callable[[Stack], AbstractContextManager[None]], seconds: float
) -> None:
    before, leader = acted(stack), leading(stack)
    with paid(stack):
        time.sleep(1)
        with ails(stack):
            time.sleep(seconds)
        time.sleep(2)
    assert acted(stack) == before, told(stack)[-5:]
    assert leading(stack) == leader


# -- a leader that is dead, or as good as that


@contextmanager
def container_killed(stack: Stack) -> Iterator[None]:
    with killed(leading(stack)):
        yield


@contextmanager
def site_killed(stack: Stack) -> Iterator[None]:
    with killed(*of_site(stack, writers(stack)[0].name)):
        yield


@contextmanager
def site_cut_off(stack: Stack) -> Iterator[None]:
    with cut_off(stack, writers(stack)[0].name):
        yield


@contextmanager
def hangs(stack: Stack) -> Iterator[None]:
    with frozen(leading(stack)):
        yield


DEAD = [
    pytest.param(container_killed, id="container killed"),
    pytest.param(hangs, id="hanging, and alive again when another leads"),
    pytest.param(site_killed, id="site killed"),
    pytest.param(site_cut_off, id="site cut off, and back when another leads"),
]


@pytest.mark.parametrize("dies", DEAD)
def test_a_dead_leader_loses_its_key_before_its_lease_is_over(
    stack: Stack, dies: Callable[[Stack], AbstractContextManager[None]]
) -> None:
    before, there = acted(stack), standing_by(stack)
    with paid(stack) as seen:
        time.sleep(1)
        with dies(stack):
            began = time.monotonic()
            until(lambda: there in [site.name for site in writers(stack)], 60, f"{there} leads")
            took = time.monotonic() - began
            time.sleep(1.5)
        time.sleep(3)
    print(f"{there} led after {took:.1f} s, its customers waited {seen[0].gateways[there].write_stall_seconds:.1f} s")
    assert acted(stack) == before + 1, told(stack)[-5:]


# -- a false alarm on a leader that lives


@contextmanager
def unheard(stack: Stack) -> Iterator[None]:
    """Neither database hears the other, so that the standby takes the leader for dead, while both have a quorum."""
    leader, standby = leading(stack), stack.container(standing_by(stack), "db")
    with deaf((leader, standby), (standby, leader)):
        yield


@contextmanager
def well(stack: Stack) -> Iterator[None]:
    yield


@pytest.mark.parametrize("how", [well, unheard])
def test_a_false_alarm_loses_nothing_and_makes_no_second_leader(
    stack: Stack, how: Callable[[Stack], AbstractContextManager[None]]
) -> None:
    with paid(stack) as seen:
        for _ in range(ALARMS if how is well else 1):
            time.sleep(1)
            with how(stack):
                assert "deposed" in docker("exec", detector(stack), "python3", "-c", FALSE_ALARM)
                time.sleep(2 if how is well else 8)
    print(f"{seen[0].failed_requests} failed, stall {seen[0].write_stall_seconds:.1f} s")
