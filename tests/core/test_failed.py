"""A run that ended failed and is resumed later: it goes on from the first step not done, with a record of its own."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from runbooks.core import shift
from runbooks.core.errors import CommandFailed, Exit, Failed
from runbooks.core.host import Estate
from runbooks.core.ledger import Ledger
from runbooks.core.run import Run, Runbook, Step
from tests.core.conftest import new_head
from tests.core.fake import SETTINGS, FileQuorum, World


class Trial:
    """A table of steps on a world, any of which can be told to fail, forward or back."""

    def __init__(self, folder: Path, names: tuple[str, ...], no_return: str = "") -> None:
        self.world, self.broken, self.stuck = World(folder / "world"), "", ""
        self.book = Runbook("trial", "Try", (), tuple(self._step(name, name == no_return) for name in names))

    def _step(self, name: str, no_return: bool) -> Step:
        def do(run: Run) -> None:
            if name == self.broken:
                raise CommandFailed((name,), "somewhere", 1, "no")
            self.world.make(name)

        def undo(run: Run) -> None:
            if name == self.stuck:
                raise CommandFailed(("undo", name), "somewhere", 1, "stuck")
            self.world.take_back(name)

        return Step(name, do, lambda run: name in self.world.marks, undo, point_of_no_return=no_return)

    def run(self, folder: Path, resume: bool) -> Exit:
        """Carry it out as `carry_out` does."""
        estate = Estate(SETTINGS, None, console=Console(file=io.StringIO()))  # type: ignore[arg-type]
        keepers = FileQuorum(folder / "quorum"), FileQuorum(folder / "stores")
        work = shift.Shift(estate, keepers, Ledger(folder, "unit"), folder)
        head = new_head()
        with work.leased(self.book, head, wait=False):
            return work.resume() if resume else work.begin(self.book, head)


@pytest.mark.parametrize(("no_return", "stuck"), [("one", ""), ("", "one"), ("", "two")])
def test_it_ends_done_and_both_records_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_return: str, stuck: str
) -> None:
    trial = Trial(tmp_path, ("one", "two", "three"), no_return)
    monkeypatch.setattr(shift, "find_runbook", lambda name: trial.book)
    trial.broken, trial.stuck = "three", stuck
    for _ in range(2):  # and it may fail again
        with pytest.raises(Failed):
            trial.run(tmp_path, resume=bool(Ledger(tmp_path, "unit").all()))
    trial.broken = trial.stuck = ""
    assert trial.run(tmp_path, resume=True) is Exit.DONE

    assert sorted(trial.world.marks) == ["one", "three", "two"]
    records = Ledger(tmp_path, "unit").all()
    assert [record.outcome for record in records] == ["failed", "failed", "done"]
    assert [record.id for record in records] == [f"{new_head().id}{end}" for end in ("", "-2", "-3")]
    assert [step.title for step in records[-1].steps] == ["one", "two", "three"]
