"""A store that fills up: it is left out in time, or given up during a backup; with room, all is whole by itself."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from infra.settings import Site
from runbooks.core.errors import Exit
from tests.drills.clones import cloned
from tests.drills.filling import full, nearly_full
from tests.drills.repositories import copying_processes, fill, labels, main_processes, nothing_is_left, settled
from tests.drills.stack import Stack, docker, until

pytestmark = pytest.mark.drill
BOUNDED = 400  # seconds for pgBackRest to give up, with all its repetitions, on a busy machine
AGAIN = 300  # seconds for one backup on a busy machine


def test_a_store_that_is_nearly_full_is_left_out_and_named(stack: Stack) -> None:
    """Nothing is written there, and with room the next backup goes to both."""
    site = stack.estate.settings.sites[1]
    name = stack.container(site.name, "store")
    settled(stack)
    before = labels(stack, site)
    with nearly_full(stack, site):
        until(lambda: f"- {name} is nearly full: " in status(stack), AGAIN, "status names it")
        said = stack.inv("backup", "--no-fingerprint", code=Exit.DEGRADED, within=AGAIN)
        assert f"{site.name}: no backup there: {name} is nearly full: " in said
        assert f"Enlarge it (store_bytes of its site in separuh:sites, then ./inv up --stack {stack.name})" in said
        went_to_the_other(stack, site)
        assert labels(stack, site) == before
    stack.inv("backup", "--no-fingerprint", within=AGAIN)
    assert stack.last_record()["outcome"] == "done"


@pytest.mark.full
def test_a_store_that_fills_up_during_a_backup_is_given_up(stack: Stack) -> None:
    """In bounded time; nothing of it goes on anywhere, the other has its backup, and with room the next is whole."""
    site = stack.estate.settings.sites[1]
    name = stack.container(site.name, "store")
    fill(stack)
    settled(stack)
    before = labels(stack, site)
    runner = stack.begin("backup", "--kind", "full", "--no-fingerprint")
    until(lambda: bool(copying_processes(stack, site)), 120, "copying")
    signalled(copying_processes(stack, site), "STOP")  # until the store has seen that it is full
    with full(stack, site):
        signalled(copying_processes(stack, site), "CONT")
        said, _ = runner.communicate(timeout=BOUNDED)
        assert runner.returncode == Exit.DEGRADED, said
        assert f"{site.name}: no backup there: " in said
        assert f"{name} is full: " in said
        went_to_the_other(stack, site)
        assert labels(stack, site) == before
        assert not main_processes(stack)
        assert not copying_processes(stack, site)
        until(lambda: f"- {name} is full: " in status(stack), AGAIN, "status names it")
        said = stack.inv("backup", "--no-fingerprint", code=Exit.DEGRADED, within=AGAIN)
        assert f"{site.name}: no backup there: {name} is full: " in said
    settled(stack)
    stack.inv("backup", "--no-fingerprint", within=AGAIN)
    assert stack.last_record()["outcome"] == "done"
    nothing_is_left(stack)


@pytest.mark.full
def test_a_backup_that_moves_nothing_is_ended(stack: Stack, tmp_path: Path) -> None:
    """One of the two stands still: it is ended after stall_seconds, and the other is kept."""
    site = stack.estate.settings.sites[1]
    fill(stack)
    settled(stack)
    impatient = cloned(stack, tmp_path / "clone")
    config = impatient.root / f"Pulumi.{stack.name}.yaml"
    values = yaml.safe_load(config.read_text())
    values["config"]["separuh:backup"]["stall_seconds"] = 10
    config.write_text(yaml.safe_dump(values))
    impatient.inv("secrets.fetch")
    runner = impatient.begin("backup", "--kind", "full", "--no-fingerprint")
    until(lambda: bool(main_processes(stack, site)), 120, "backing up")
    signalled(main_processes(stack, site), "STOP")
    said, _ = runner.communicate(timeout=AGAIN)
    assert runner.returncode == Exit.DEGRADED, said
    assert re.search(rf"{site.name}: no backup there: pgBackRest in \S+ moved nothing for 10 s", said), said
    assert not main_processes(stack)
    went_to_the_other(impatient, site)
    stack.inv("backup", "--no-fingerprint", within=AGAIN)
    assert stack.last_record()["outcome"] == "done"
    nothing_is_left(stack)


def status(stack: Stack) -> str:
    """Return what it says, never that all is well; on a busy machine it may know less within its three seconds."""
    asking = stack.begin("status")
    said, _ = asking.communicate(timeout=AGAIN)
    assert asking.returncode in (Exit.DEGRADED, Exit.NOT_READY), said
    return said


def signalled(processes: Sequence[tuple[str, str]], signal: str) -> None:
    """Send a signal to what runs in containers; `processes` are as `main_processes` gives them."""
    for container, process in processes:
        docker("exec", container, "kill", f"-{signal}", process)


def went_to_the_other(stack: Stack, site: Site) -> None:
    """Check that the newest backup went to the other site alone."""
    record = stack.last_record()
    assert record["outcome"] == "degraded"
    assert set(record["figures"]["repositories"]) == {s.name for s in stack.estate.settings.sites} - {site.name}
