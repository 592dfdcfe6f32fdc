"""Every runbook as a property: its plan is the golden one and changes nothing, a broken run is undone."""

from __future__ import annotations

import importlib
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from infra.settings import ROOT
from runbooks import backup
from runbooks.core.errors import Undone
from runbooks.core.journal import Head, Journal
from runbooks.core.perform import Performance
from runbooks.core.plan import show
from runbooks.core.progress import Progress
from runbooks.core.run import Run, Runbook
from tests.runbooks.fake import World

PLANS = Path(__file__).parent
MODULES = sorted(path.stem for path in (ROOT / "runbooks").glob("*.py") if path.stem != "__init__")
RUNBOOKS = [
    value
    for module in MODULES
    for value in vars(importlib.import_module(f"runbooks.{module}")).values()
    if isinstance(value, Runbook)
]
WORKS_ON = {"restore-drill": backup.RUNBOOK}
ARGUMENTS = {"seed": {"loans": "25"}}
CHANGES = {"backup": 37, "restore-drill": 22, "seed": 3}  # how many each makes on its good day
TIMES = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+\+00:00")

every = pytest.mark.parametrize("runbook", RUNBOOKS, ids=lambda runbook: str(runbook.name))


def world_of(runbook: Runbook, folder: Path, **given: Any) -> World:
    """Return a world in which all is there that `runbook` works on."""
    world = World()
    if runbook.name in WORKS_ON:
        carry_through(world, WORKS_ON[runbook.name], folder / "before")
        world.done.clear()
        world.undone.clear()
        world.console = Console(file=io.StringIO(), width=1000)
    for name, value in given.items():
        setattr(world, name, value)
    return world


def run_in(world: World, runbook: Runbook) -> Run:
    """Return a new run of `runbook` in the world."""
    estate: Any = world
    arguments = ARGUMENTS.get(runbook.name, {})
    return Run("r1", runbook.name, world.settings, world.secrets, estate, arguments, planning=world.plan_only)


def carry_through(world: World, runbook: Runbook, folder: Path) -> Run:
    """Look whether all is ready, then take every step, as `carry_out` does."""
    run = run_in(world, runbook)
    for precheck in runbook.prechecks:
        precheck(run)
    head = Head(run.id, runbook.name, {}, "2026-01-01T00:00:00+00:00", "me", "")
    progress = Progress(Console(file=io.StringIO()), {})
    Performance(run, runbook.table(run), head, Journal(folder, run.id), None, progress).carry_through()
    return run


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
    """Every step is done, nothing is degraded, and a second run finds what the first left."""
    world = world_of(runbook, tmp_path)
    assert carry_through(world, runbook, tmp_path).reasons == []
    assert len(world.done) == CHANGES[runbook.name]
    assert carry_through(world, runbook, tmp_path).reasons == []


@pytest.mark.parametrize(
    ("runbook", "broken"),
    [
        pytest.param(runbook, broken, id=f"{runbook.name}-{broken}")
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
    assert world.broke
    assert run.reasons
