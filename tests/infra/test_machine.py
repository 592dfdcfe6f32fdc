"""What is done about a machine follows from what was seen of it; what could not be had is left alone for a day."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from infra import failures, local_engine
from infra.machine import DEFAULT_SOCKET, Facts, MachineError, decide
from infra.pulumi_cli import new_enough

BARE = Facts(root=True, debian=True)


@pytest.mark.parametrize(
    ("facts", "actions"),
    [
        (Facts(answers=DEFAULT_SOCKET), ()),
        (Facts(answers="ssh://root@build", asked="ssh://root@build"), ()),
        (BARE, ("install", "start")),
        (replace(BARE, systemd=True), ("install", "service")),
        (replace(BARE, dockerd=True), ("start",)),
        (replace(BARE, dockerd=True, systemd=True), ("service",)),
        (Facts(root=True, dockerd=True), ("start",)),
    ],
)
def test_an_engine_is_installed_or_started_where_that_is_ours_to_do(facts: Facts, actions: tuple[str, ...]) -> None:
    assert decide(facts) == actions
    assert set(actions) <= set(local_engine.ACTIONS)


@pytest.mark.parametrize(
    ("facts", "advice"),
    [
        (Facts(debian=True), "only root may install one: install Docker Engine"),
        (Facts(root=True), "this is no Debian: install Docker Engine"),
        (Facts(debian=True, dockerd=True), "start it as root"),
        (Facts(denied=DEFAULT_SOCKET, dockerd=True), "add the user to the group docker"),
        (replace(BARE, asked="tcp://build:2376"), "DOCKER_HOST is tcp://build:2376.*or unset DOCKER_HOST"),
    ],
)
def test_what_is_not_ours_to_do_is_told(facts: Facts, advice: str) -> None:
    with pytest.raises(MachineError, match=advice):
        decide(facts)


def process(processes: Path, number: int, program: str) -> None:
    """Make the entry of a living process that runs `program`."""
    (processes / str(number)).mkdir(parents=True)
    (processes / str(number) / "exe").symlink_to(f"/usr/sbin/{program}")


def test_pid_files_go_unless_their_process_is_the_engine_itself(tmp_path: Path) -> None:
    run, processes = tmp_path / "run", tmp_path / "proc"
    (run / "docker" / "containerd").mkdir(parents=True)
    engine, containerd = run / "docker.pid", run / "docker" / "containerd" / "containerd.pid"
    engine.write_text("41")
    containerd.write_text("42")
    process(processes, 41, "dockerd")
    (processes / "42").mkdir()  # killed and never reaped: it has no executable any more

    local_engine.forget_dead_engine(run, processes)
    assert (engine.exists(), containerd.exists()) == (True, False)

    (processes / "41" / "exe").unlink()
    (processes / "41" / "exe").symlink_to("/usr/bin/sleep")  # the number is another's now
    local_engine.forget_dead_engine(run, processes)
    assert not engine.exists()

    local_engine.forget_dead_engine(run, processes)  # nothing there is nothing wrong


def test_a_failure_is_remembered_for_a_day(tmp_path: Path) -> None:
    folder = tmp_path / "machine"
    assert failures.recall("registry", folder) == ""
    failures.remember("registry", "no such host", folder)
    failed_at = (folder / "registry.failed").stat().st_mtime
    assert failures.recall("registry", folder, now=failed_at + 86_399) == "no such host"
    assert failures.recall("registry", folder, now=failed_at + 86_400) == ""
    assert failures.recall("registry", folder, now=failed_at - 60) == "", "a clock set back must not keep it for ever"


@pytest.mark.parametrize(
    ("found", "enough"),
    [
        ("v3.272.0", True),
        ("v3.272.1", True),
        ("v3.300.0", True),
        ("v3.99.0", False),
        ("v4.0.0", False),
        ("", False),
        ("pyenv: pulumi: command not found", False),
    ],
)
def test_pulumi_is_used_from_the_sdks_version_on(found: str, enough: bool) -> None:
    assert new_enough(found, "3.272.0") is enough
