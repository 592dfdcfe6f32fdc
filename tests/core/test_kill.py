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


@pytest.mark.parametrize("where", [f"{step} {side}" for step in STEPS for side in ("before", "after")])
def test_a_killed_run_is_finished_by_another_process(tmp_path: Path, where: str) -> None:
    (tmp_path / "pause").write_text(where)
    runner = FORK.Process(target=main, args=(tmp_path, False))
    runner.start()
    deadline = time.monotonic() + 30
    while not (tmp_path / "paused").exists():
        assert time.monotonic() < deadline, "the runner never came to the place where it is to be killed"
        assert runner.is_alive()
        time.sleep(0.02)
    runner.kill()
    runner.join()
    (tmp_path / "pause").unlink()
    assert FileQuorum(tmp_path / "quorum").get("/separuh/unit/head")

    other = FORK.Process(target=main, args=(tmp_path, True))
    other.start()
    other.join(timeout=30)
    assert other.exitcode == 0

    assert World(tmp_path / "world").marks == list(STEPS)
    (record,) = Ledger(tmp_path, "unit").all()
    assert record.outcome == "done"
    assert record.figures == {"resumed": True}
    assert [step.outcome for step in record.steps] == ["done"] * len(STEPS)
    left = FileQuorum(tmp_path / "quorum")
    assert left.get("/separuh/unit/head") is None
    assert left.get("/separuh/unit/lease") is None
    journals = list((tmp_path / ".separuh/unit/journal").glob("*.jsonl"))
    assert [path.stem for path in journals] == [record.id]
    events = [json.loads(line)["event"] for line in journals[0].read_text().splitlines()]
    assert events.count("end") == len(STEPS)
