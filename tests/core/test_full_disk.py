"""The runner's own disk takes no more of the journal: nothing is begun, or all that was done is undone."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from runbooks.core.errors import NotReady, Undone
from runbooks.core.host import Estate
from runbooks.core.journal import Journal
from runbooks.core.ledger import Ledger
from runbooks.core.perform import Performance
from runbooks.core.progress import Progress
from runbooks.core.run import Runbook, Step
from runbooks.core.shift import Shift
from tests.core.conftest import new_head, run_of
from tests.core.fake import SETTINGS, FileQuorum

FULL = Path("/dev/full")  # whatever is written to it, the kernel says that there is no space left


class Filling(Journal):
    """A journal whose disk takes so many lines and no more."""

    def __init__(self, directory: Path, lines: int) -> None:
        super().__init__(directory, "run")
        self.left = lines

    def write(self, event: str, **values: Any) -> None:
        if not self.left:
            self.path = FULL
        self.left -= 1
        super().write(event, **values)


@pytest.mark.parametrize("lines", range(9))
def test_whichever_line_is_the_first_too_many_all_is_undone(tmp_path: Path, lines: int) -> None:
    """Each of three steps writes its begin, the head and its end."""
    marks: set[str] = set()

    def step(name: str) -> Step:
        return Step(name, lambda run: marks.add(name), undo=lambda run: marks.discard(name))

    head, progress = new_head(), Progress(Console(file=io.StringIO()), {})
    steps = tuple(map(step, "abc"))
    with pytest.raises(Undone, match="/dev/full on this machine cannot be written: No space left on device"):
        Performance(run_of(head), steps, head, Filling(tmp_path, lines), None, progress).carry_through()
    assert not marks


def test_a_run_whose_journal_cannot_be_opened_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / ".separuh" / "unit").mkdir(parents=True)
    (tmp_path / ".separuh" / "unit" / "journal").touch()  # a file where the folder has to be
    book = Runbook("trial", "Try", (), (Step("touch", lambda run: pytest.fail("begun")),))
    estate = Estate(SETTINGS, None, console=Console(file=io.StringIO()))  # type: ignore[arg-type]
    quorum, ledger = FileQuorum(tmp_path / "quorum"), Ledger(tmp_path, "unit")
    work, head = Shift(estate, (quorum, FileQuorum(tmp_path / "stores")), ledger, tmp_path), new_head()
    with (
        pytest.raises(NotReady, match=r"journal .* cannot be written: .*; nothing was changed"),
        work.leased(book, head, wait=False),
    ):
        work.begin(book, head)
    assert ledger.all() == []
    assert quorum.get("/separuh/unit/lease") is None
