"""Every runbook as a property: its plan is the golden one and changes nothing, a broken run is undone."""

from __future__ import annotations

import importlib
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from infra.settings import ROOT
from runbooks import backup, restore
from runbooks.core.errors import Failed, Undone
from runbooks.core.journal import Head, Journal
from runbooks.core.perform import Performance
from runbooks.core.plan import show
from runbooks.core.progress import Progress
from runbooks.core.run import Run, Runbook
from tests.runbooks.fake import World
from tests.runbooks.fake_failover import Stricken
from tests.runbooks.fake_return import gap, lost

PLANS = Path(__file__).parent
MODULES = sorted(path.stem for path in (ROOT / "runbooks").glob("*.py") if path.stem != "__init__")
RUNBOOKS = [
    value
    for module in MODULES
    for value in vars(importlib.import_module(f"runbooks.{module}")).values()
    if isinstance(value, Runbook)
]
WORKS_ON = {
    "bootstrap": backup.RUNBOOK,
    "rejoin": backup.RUNBOOK,
    "drill.failover": backup.RUNBOOK,
    "restore": backup.RUNBOOK,
    "restore-drill": backup.RUNBOOK,
    "restore.release": restore.RUNBOOK,
    "restore.table": backup.RUNBOOK,
}
ARGUMENTS: dict[str, dict[str, str] | Callable[[World], dict[str, str]]] = {
    "bootstrap": {"from": "one"},
    "rejoin": {"place": "two"},
    "failover": {"to": "two"},
    "drill.failover": {"kind": "link", "direction": "both", "rate": "5", "check_both": "yes"},
    "restore": {"xid": "742"},
    "restore.release": {"run": "r1"},
    "restore.table": {"table": "payment", "xid": "742"},
    "seed": {"loans": "25"},
    "switchover": lambda world: {"to": world.moving.follows},
}
ONCE = ("failover", "restore.release", "restore.table")  # a second run finds nothing to do, and refuses
DEGRADED = ("failover",)  # on its best day: it serves, and at one site
SAMPLED = 10  # every tenth change is broken by --quick, which has a minute; each by all other runs
CHANGES = {
    "backup": 37,
    "bootstrap": 11,
    "rejoin": 16,
    "failover": 9,
    "drill.failover": 16,
    "restore": 29,
    "restore-drill": 22,
    "restore.release": 2,
    "restore.table": 8,
    "seed": 3,
    "switchover": 5,
}  # how many each makes on its good day
TIMES = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+\+00:00")

every = pytest.mark.parametrize("runbook", RUNBOOKS, ids=lambda runbook: str(runbook.name))


def world_of(runbook: Runbook, folder: Path, **given: Any) -> World:
    """Return a world in which all is there that `runbook` works on."""
    world = World()
    if before := WORKS_ON.get(runbook.name):
        world = world_of(before, folder / "before")
        carry_through(world, before, folder / "before")
        world.done.clear()
        world.undone.clear()
        world.console = Console(file=io.StringIO(), width=1000)
    if runbook.name == "rejoin":
        world.returning = lost()
        gap(world.stores["two"])
    if runbook.name == "failover":
        world.stricken = Stricken()
        world.stores["two"].s3.create_bucket(Bucket=world.stores["two"].bucket)
    for name, value in given.items():
        setattr(world, name, value)
    return world


def run_in(world: World, runbook: Runbook) -> Run:
    """Return a new run of `runbook` in the world."""
    estate: Any = world
    given = ARGUMENTS.get(runbook.name, {})
    arguments = given(world) if callable(given) else given
    run = Run("r1", runbook.name, world.settings, world.secrets, estate, arguments, planning=world.plan_only)
    run.notes["alone"] = world.stricken is not None  # of which `failover` makes its table
    return run


def carry_through(world: World, runbook: Runbook, folder: Path) -> Run:
    """Look whether all is ready, then take every step, as `carry_out` does."""
    run = run_in(world, runbook)
    for precheck in runbook.prechecks:
        precheck(run)
    head = Head(run.id, runbook.name, {}, "2026-01-01T00:00:00+00:00", "me", "")
    progress = Progress(Console(file=io.StringIO()), {})
    Performance(run, runbook.table(run), head, Journal(folder, run.id), None, progress).carry_through()
    return run


def stood(folder: Path) -> int:
    """Return how many steps the run had begun."""
    events = [json.loads(line) for line in (folder / "r1.jsonl").read_text().splitlines()]
    return int(max(event["step"] for event in events if event["event"] == "begin"))


@every
def test_a_plan_changes_nothing_and_reads_as_it_did(runbook: Runbook, tmp_path: Path) -> None:
    """The plan is the golden file `<runbook>.plan`, and no change was made."""
    world = world_of(runbook, tmp_path, plan_only=True)
    show(runbook, run_in(world, runbook), {})
    assert not world.done
    assert not world.undone
    file: Any = world.console.file
    printed = TIMES.sub("<time>", file.getvalue())
    assert printed == (PLANS / f"{runbook.name}.plan").read_text()


@every
def test_the_good_day(runbook: Runbook, tmp_path: Path) -> None:
    """Every step is done, nothing is degraded that need not be, and a second run finds what the first left."""
    world = world_of(runbook, tmp_path)
    assert bool(carry_through(world, runbook, tmp_path).reasons) == (runbook.name in DEGRADED)
    assert len(world.done) == CHANGES[runbook.name]
    if runbook.name not in ONCE:
        assert carry_through(world, runbook, tmp_path).reasons == []


@pytest.mark.parametrize(
    ("runbook", "broken"),
    [
        pytest.param(
            runbook, broken, id=f"{runbook.name}-{broken}", marks=pytest.mark.thorough if broken % SAMPLED else ()
        )
        for runbook in RUNBOOKS
        for broken in range(CHANGES[runbook.name])
    ],
)
def test_whichever_change_breaks(runbook: Runbook, broken: int, tmp_path: Path) -> None:
    """The run ends done, degraded with a reason, or undone: then each step that can be undone was, in reverse."""
    world = world_of(runbook, tmp_path, broken=broken)
    try:
        run = carry_through(world, runbook, tmp_path)
    except Undone:
        events = [json.loads(line) for line in (tmp_path / "r1.jsonl").read_text().splitlines()]
        can_be = {step.title for step in runbook.table(run_in(world, runbook)) if step.undo}
        begun = [event["title"] for event in events if event["event"] == "begin" and event["title"] in can_be]
        undone = [event["title"] for event in events if event["event"] == "undo"]
        assert undone == begun[::-1]
        assert bool(world.undone) == bool(undone)
        return
    except Failed:
        assert any(step.point_of_no_return for step in runbook.table(run_in(world, runbook))[: stood(tmp_path)])
        assert not world.undone
        return
    assert world.broke
    assert run.reasons
