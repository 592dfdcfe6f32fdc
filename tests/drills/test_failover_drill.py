"""`inv drill.failover` on the real stack: each fault is survived, and lifted whatever becomes of the runner."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from infra import pins
from infra.settings import ON_LINK, ROOT, load
from runbooks.core.errors import Exit
from runbooks.drill import STEPS
from runbooks.parts.evidence_files import check
from tests.drills.moves import settled, standing_by, writers
from tests.drills.stack import Stack, cut_power, docker, kill, until

pytestmark = pytest.mark.drill

AT_MOST = 240  # seconds for one game day
TITLES = [step.title for step in STEPS]
STRIKE, LIFT = TITLES.index("Strike") + 1, TITLES.index("Lift the fault") + 1
PATHS = {"pooler", "route", "db-jkt", "db-sby", "gateway", "service"}


@pytest.fixture(scope="module", autouse=True)
def loans(stack: Stack) -> None:
    """Enough instalments for the payments of every drill here."""
    stack.inv("seed", "--loans", "4000", within=300)


@pytest.fixture(autouse=True)
def rested(stack: Stack) -> Iterator[None]:
    """Each drill begins and ends with one leader, in sync, and all that was struck is back."""
    settled(stack)
    yield
    until(lambda: not struck(stack), 150, "nothing is struck")
    settled(stack)


def struck(stack: Stack) -> list[str]:
    """Return which containers are down, and which are cut off, as the engine and the kernel say."""
    down = set(docker("ps", "--all", "--filter", f"label=separuh.stack={stack.name}", "--format", "{{.Names}}").split())
    down -= set(docker("ps", "--format", "{{.Names}}").split())
    members = pins.members(stack.estate.settings)
    found = [name for name in members if name in down]
    return found + [name for name, role in members.items() if role in ON_LINK and name not in down and cut(name)]


def cut(container: str) -> bool:
    """Say whether the kernel drops anything in a container's network."""
    image = docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "separuh/fault").split()[:1]
    if not image:
        return False
    within = ("run", "--rm", "--network", f"container:{container}", "--user", "0", "--cap-add", "NET_ADMIN")
    return " expires " in docker(*within, *image, "nft", "list", "ruleset")


KINDS = [
    pytest.param(("process",), id="process"),
    pytest.param(("leader",), id="leader"),
    pytest.param(("site",), id="site", marks=pytest.mark.full),
    pytest.param(("link", "--direction", "both"), id="link", marks=pytest.mark.full),
    pytest.param(("link", "--direction", "in"), id="link in", marks=pytest.mark.full),
    pytest.param(("link", "--direction", "out"), id="link out", marks=pytest.mark.full),
]


@pytest.mark.parametrize("fault", KINDS)
def test_a_fault_is_survived(stack: Stack, fault: tuple[str, ...]) -> None:
    """A leader takes payments again, none is lost, there are never two, the site is back, and it is proved."""
    before, there = writers(stack)[0].name, standing_by(stack)
    # The target is of a machine that has nothing else to do: that it was missed is told by 7, and no failure here.
    said = game_day(stack, *fault)
    found = evidence(stack)
    goal = found["leads"]
    # A database that was only killed may be started anew before its lease has ended, and then it leads on.
    assert (found["led"], goal) in ((before, there), *([(before, before)] if fault == ("process",) else [])), said
    assert {check["name"]: check["outcome"] for check in found["checks"] if check["outcome"] != "passed"} == {}
    assert found["customers"]["lost"] == 0
    assert found["customers"]["acknowledged"] > 0
    written = {(each["site"], each["path"]): each for each in found["written"]}
    assert {path for site, path in written if site == goal} == PATHS
    assert written[goal, "route"]["later"] > 0
    if goal != before:
        assert written[before, f"db-{before}"]["later"] == 0
    assert [site.name for site in writers(stack)] == [goal]


def game_day(stack: Stack, *options: str) -> str:
    """Hold one, which ends done or degraded."""
    ends = (Exit.DONE, Exit.DEGRADED)
    return stack.inv("drill.failover", "--kind", *options, "--yes", code=ends, within=AT_MOST)


def evidence(stack: Stack) -> dict[str, Any]:
    """Return the newest evidence, which is as it was signed."""
    run = stack.last_record()["id"]
    file = ROOT / ".separuh" / stack.name / "evidence" / run / f"{run}.json"
    check(file)
    return dict(json.loads(file.read_text()))


def test_an_estate_that_is_not_well_is_not_struck(stack: Stack) -> None:
    before = writers(stack)
    with stack.stopped("bdg", "etcd"):
        said = stack.inv("drill.failover", "--kind", "process", "--yes", code=Exit.NOT_READY)
    assert "nothing is struck now" in said
    assert "bdg-etcd-1" in said
    assert writers(stack) == before


def test_production_is_not_struck_unless_told_by_name(stack: Stack) -> None:
    """Its example in the checkout will do: it is refused before anything of it is reached."""
    production = Stack("prod")
    assert load("prod").production
    for confirm in ((), ("--confirm", "yes"), ("--confirm", stack.name)):
        said = production.inv("drill.failover", "--kind", "site", "--yes", *confirm, code=Exit.NOT_READY)
        assert "type the stack's name (prod)" in said


# -- killed

ALL = range(1, len(TITLES) + 1)
LEADER, LINK = ("leader",), ("link", "--direction", "both")
# A step whose state is reached already is over as it begins, and has no beginning to die at.
MOMENTS = [("begin", number) for number in ALL if number != LIFT] + [("end", number) for number in ALL[:-1]]


@pytest.mark.parametrize(
    ("fault", "when", "step"),
    [
        pytest.param(LEADER, "end", STRIKE),
        *(pytest.param(LINK, *moment, marks=pytest.mark.full) for moment in MOMENTS),
        *(pytest.param(LEADER, "begin", step, marks=pytest.mark.full) for step in (STRIKE, LIFT)),
    ],
)
def test_a_killed_runner_is_resumed_and_the_fault_lifted(
    stack: Stack, fault: tuple[str, ...], when: str, step: int
) -> None:
    since = stack.journals()
    runner = stack.begin("drill.failover", "--kind", *fault, "--yes")
    until(lambda: (when, step) in stack.progress(since) or runner.poll() is not None, 120, f"{when} {step}")
    (cut_power if when == "begin" else kill)(runner)
    stack.end_lease()
    begun = stack.dead_run() is not None
    process = stack.begin("drill.failover", "--resume")
    until(lambda: not struck(stack), 60, "the fault is lifted")
    said, _ = process.communicate(timeout=AT_MOST)
    assert ("finishing it" if begun else "nothing to resume") in said
    assert process.returncode in (Exit.DONE, Exit.UNDONE, Exit.DEGRADED), said
    assert stack.dead_run() is None


@pytest.mark.full
@pytest.mark.parametrize("fault", [("site",), LINK], ids=["site", "link"])
def test_a_fault_whose_runner_is_gone_for_good_is_lifted_by_itself(stack: Stack, fault: tuple[str, ...]) -> None:
    since, limit = stack.journals(), stack.estate.settings.failover.fault_seconds
    runner = stack.begin("drill.failover", "--kind", *fault, "--yes")
    until(lambda: ("end", STRIKE) in stack.progress(since), 60, "it is struck")
    cut_power(runner)
    began = time.monotonic()
    assert struck(stack)
    until(lambda: not struck(stack), limit + 20, "it is lifted by itself")
    assert time.monotonic() - began > limit / 2, "somebody else has lifted it"
    stack.end_lease()
    stack.inv("drill.failover", "--resume", code=Exit.UNDONE, within=AT_MOST)
