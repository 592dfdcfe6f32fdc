"""Pulumi is had only with its Docker plugin; what could not be fetched is not tried again, unless it came by itself."""

from __future__ import annotations

import json
import os
from importlib.metadata import version
from pathlib import Path

import pytest

from infra import failures, pulumi_cli

PLUGIN = {"name": "docker", "kind": "resource", "version": version("pulumi-docker")}
NO_NETWORK = "error: failed to download plugin: no such host"


class Machine:
    """A machine with a `pulumi` of the test's own on its PATH, whose plugins and network are files."""

    def __init__(self, root: Path) -> None:
        self.cli, self.plugins, self.asked = root / "bin" / "pulumi", root / "plugins.json", root / "asked"
        self.fetched = root / "fetched.json"
        self.cli.parent.mkdir()
        self.has()
        self.asked.touch()

    def install(self, number: str) -> None:
        """Put the command line there, at version `number`."""
        self.cli.write_text(
            f'#!/bin/sh\necho "$*" >> {self.asked}\ncase "$*" in\n'
            f'version) echo "{number}" ;;\n"plugin ls --json") cat {self.plugins} ;;\n'
            f'"plugin install"*) mv {self.fetched} {self.plugins} 2>/dev/null || '
            f"{{ echo '{NO_NETWORK}' >&2; exit 1; }} ;;\nesac\n"
        )
        self.cli.chmod(0o755)

    def has(self, **plugin: str) -> None:
        """Have the plugin, with these values; none without any."""
        self.plugins.write_text(json.dumps([{**PLUGIN, **plugin}] if plugin else []))

    def fetches(self) -> int:
        """How often a plugin was asked for over the network."""
        return self.asked.read_text().count("plugin install")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine that remembers its failures in the test's folder, and reaches no network."""
    monkeypatch.setattr(failures.remember, "__defaults__", (tmp_path / "state",))
    monkeypatch.setattr(failures.recall, "__defaults__", (tmp_path / "state", None))
    monkeypatch.setattr(pulumi_cli, "HOME", tmp_path / "kept")
    monkeypatch.setattr(pulumi_cli, "FETCH", "import sys; sys.exit('no such host')")
    made = Machine(tmp_path)
    monkeypatch.setenv("PATH", f"{made.cli.parent}{os.pathsep}{os.defpath}")
    return made


def quiet(_: str) -> None:
    return


def test_a_command_line_with_its_plugin_is_taken_without_a_fetch(machine: Machine) -> None:
    machine.install(f"v{version('pulumi')}")
    machine.has(version=PLUGIN["version"])
    assert pulumi_cli.ensure(quiet) == machine.cli
    assert machine.fetches() == 0


def test_a_missing_plugin_is_fetched(machine: Machine) -> None:
    machine.install(f"v{version('pulumi')}")
    machine.fetched.write_text(json.dumps([PLUGIN]))
    assert pulumi_cli.ensure(quiet) == machine.cli
    assert machine.fetches() == 1


@pytest.mark.parametrize("plugin", [{}, {"name": "random"}, {"version": "4.5.8"}, {"kind": "language"}])
def test_without_its_plugin_a_command_line_is_no_engine_and_the_network_is_asked_once(
    machine: Machine, plugin: dict[str, str]
) -> None:
    machine.install(f"v{version('pulumi')}")
    machine.has(**plugin)
    assert pulumi_cli.ensure(quiet) is None
    assert pulumi_cli.ensure(quiet) is None
    assert machine.fetches() == 1
    assert "\n" not in pulumi_cli.why_not()
    assert pulumi_cli.why_not().startswith(f"Pulumi's Docker plugin {PLUGIN['version']} could not be fetched (error: ")


def test_a_plugin_that_came_after_a_failure_is_seen(machine: Machine) -> None:
    machine.install(f"v{version('pulumi')}")
    assert pulumi_cli.ensure(quiet) is None
    machine.has(version=PLUGIN["version"])
    assert pulumi_cli.ensure(quiet) == machine.cli


def test_a_command_line_that_is_missing_or_too_old_is_asked_for_once(machine: Machine) -> None:
    said: list[str] = []
    assert pulumi_cli.ensure(said.append) is None
    machine.install("v3.1.0")
    assert pulumi_cli.ensure(said.append) is None
    assert len(said) == 1
    assert "could not be fetched (no such host); tried once a day" in pulumi_cli.why_not()


def test_the_reason_is_that_of_what_is_missing_now(machine: Machine) -> None:
    assert pulumi_cli.ensure(quiet) is None
    machine.install(f"v{version('pulumi')}")
    assert pulumi_cli.ensure(quiet) is None
    assert "Docker plugin" in pulumi_cli.why_not()
