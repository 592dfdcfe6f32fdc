"""A runbook for a process of its own, so that it can be killed: it pauses where the file `pause` names, until it is."""

from __future__ import annotations

import io
import time
from pathlib import Path

from rich.console import Console

from runbooks.core import hold, origin, shift
from runbooks.core.errors import Exit
from runbooks.core.host import Estate
from runbooks.core.ledger import Ledger
from runbooks.core.run import Run, Runbook, Step
from tests.core.conftest import new_head
from tests.core.fake import SETTINGS, FileQuorum, World

STEPS = ("prepare", "copy", "move", "announce")
TTL = 1


def runbook(folder: Path) -> Runbook:
    """Return a runbook that leaves a mark a step in the folder's world."""
    world = World(folder / "world")

    def step(name: str) -> Step:
        def do(run: Run) -> None:
            stop(folder, f"{name} before")
            world.make(name)
            run.remember(name, run.id)
            stop(folder, f"{name} after")

        return Step(
            name,
            do,
            verify=lambda run: name in world.marks,
            undo=lambda run: world.take_back(name),
            point_of_no_return=name == "move",
        )

    return Runbook("trial", "Try", (), tuple(step(name) for name in STEPS))


def stop(folder: Path, place: str) -> None:
    """Wait to be killed, if this is the place."""
    if (folder / "pause").exists() and (folder / "pause").read_text() == place:
        (folder / "paused").touch()
        time.sleep(60)


def main(folder: Path, resume: bool) -> None:
    """Carry the runbook out as `carry_out` does, with a quorum in a file."""
    book = runbook(folder)
    shift.find_runbook = lambda name: book  # type: ignore[attr-defined]
    hold.TTL = TTL  # type: ignore[attr-defined]
    estate = Estate(SETTINGS, None, console=Console(file=io.StringIO()))  # type: ignore[arg-type]
    keepers = FileQuorum(folder / "quorum"), FileQuorum(folder / "stores")
    work = shift.Shift(estate, keepers, Ledger(folder, "unit"), folder)
    head = new_head(f"run-{origin.now()}")
    with work.leased(book, head, wait=True):
        assert (work.resume() if resume else work.begin(book, head)) is Exit.DONE
