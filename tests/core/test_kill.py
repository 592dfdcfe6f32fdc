"""A runner killed with kill -9 before or after what any step changes: another process finishes its run."""

from __future__ import annotations

import json
import multiprocessing
import time
from pathlib import Path

import pytest

from runbooks.core.ledger import Ledger
from tests.core.fake import FileQuorum, World
from tests.core.trial import STEPS, main

FORK = multiprocessing.get_context("fork")  # a fresh interpreter a time would take most of a minute


WHERE = [f"{step} {side}" for step in STEPS for side in ("before", "after")]


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Kill a runner at each place and return the folders; when the last is dead, the first lease is over."""
    folders = {where: tmp_path_factory.mktemp("killed") for where in WHERE}
    for where, folder in folders.items():
        kill(folder, where)
    return folders


def kill(folder: Path, where: str) -> None:
    """Start a runner and kill it where it pauses."""
    (folder / "pause").write_text(where)
    runner = FORK.Process(target=main, args=(folder, False))
    runner.start()
    deadline = time.monotonic() + 30
    while not (folder / "paused").exists():
        assert time.monotonic() < deadline, "the runner never came to the place where it is to be killed"
        assert runner.is_alive()
        time.sleep(0.02)
    runner.kill()
    runner.join()
    (folder / "pause").unlink()


@pytest.mark.parametrize("where", WHERE)
def test_a_killed_run_is_finished_by_another_process(killed: dict[str, Path], where: str) -> None:
    folder = killed[where]
    assert FileQuorum(folder / "quorum").get("/separuh/unit/head")

    other = FORK.Process(target=main, args=(folder, True))
    other.start()
    other.join(timeout=30)
    assert other.exitcode == 0

    assert World(folder / "world").marks == list(STEPS)
    (record,) = Ledger(folder, "unit").all()
    assert record.outcome == "done"
    assert record.figures == {"resumed": True}
    assert [step.outcome for step in record.steps] == ["done"] * len(STEPS)
    left = FileQuorum(folder / "quorum")
    assert left.get("/separuh/unit/head") is None
    assert left.get("/separuh/unit/lease") is None
    journals = list((folder / ".separuh/unit/journal").glob("*.jsonl"))
    assert [path.stem for path in journals] == [record.id]
    events = [json.loads(line)["event"] for line in journals[0].read_text().splitlines()]
    assert events.count("end") == len(STEPS)
