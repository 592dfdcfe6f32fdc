"""Pulumi's command line and its Docker plugin: on this machine already, or fetched; one without the other is no engine.

The command line comes from the PATH, from an earlier fetch, or by the SDK's installer; it fetches the plugin itself.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from infra import failures
from infra.machine import STATE
from infra.say import Say, say_on_stderr

HOME = STATE / "pulumi"
CLI, PLUGIN = "pulumi", "pulumi-plugin"  # what a failure is remembered as
ANSWER_SECONDS = 10  # for each answer of the vendor's server; the download as a whole may take FETCH_SECONDS
FETCH_SECONDS = 300
FETCH = (
    f"import socket; socket.setdefaulttimeout({ANSWER_SECONDS}); "
    "import sys; from pulumi.automation import PulumiCommand; PulumiCommand.install(root=sys.argv[1])"
)


def find() -> Path | None:
    """Return a `pulumi` at the SDK's version or newer that is on this machine already, or None."""
    for path in (shutil.which("pulumi"), str(HOME / "bin" / "pulumi")):
        if path and new_enough(_version(path), version("pulumi")):
            return Path(path)
    return None


def ensure(say: Say = say_on_stderr) -> Path | None:
    """Return `pulumi` with its plugin, fetched if need be, or None where it cannot be had; `why_not` then says why.

    A failed fetch is remembered for a day.
    """
    cli = find() or _fetch_cli(say)
    return cli if cli and (has_plugin(cli) or _fetch_plugin(cli, say)) else None


def has_plugin(cli: Path) -> bool:
    """Return whether the Docker plugin of the SDK's version is on this machine, as `cli` sees it."""
    said = _run((str(cli), "plugin", "ls", "--json"), ANSWER_SECONDS)
    try:
        listed = json.loads(said.stdout)
    except ValueError:
        return False
    wanted = version("pulumi-docker")
    return any(
        one["name"] == "docker" and one["kind"] == "resource" and new_enough(one.get("version") or "", wanted)
        for one in listed
    )


def why_not() -> str:
    """Return in one line why Pulumi is not there, for whoever chooses another engine because of it."""
    if (reason := failures.recall(CLI)) and not find():  # it may have been installed since
        return f"Pulumi {version('pulumi')} could not be fetched ({reason}); tried once a day"
    if reason := failures.recall(PLUGIN):
        return f"Pulumi's Docker plugin {version('pulumi-docker')} could not be fetched ({reason}); tried once a day"
    return ""


def _fetch_cli(say: Say) -> Path | None:
    if failures.recall(CLI):
        return None
    say(f"fetching Pulumi {version('pulumi')} into .separuh/machine/pulumi")
    _remember(CLI, (sys.executable, "-c", FETCH, str(HOME)))
    return find()


def _fetch_plugin(cli: Path, say: Say) -> bool:
    if failures.recall(PLUGIN):
        return False
    wanted = version("pulumi-docker")
    say(f"fetching Pulumi's Docker plugin {wanted}")
    _remember(PLUGIN, (str(cli), "plugin", "install", "resource", "docker", wanted))
    return has_plugin(cli)


def _remember(what: str, argv: tuple[str, ...]) -> None:
    """Run a fetch, and keep why it failed."""
    done = _run(argv, FETCH_SECONDS)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        failures.remember(what, lines[-1] if lines else f"it exited {done.returncode}")


def new_enough(found: str, wanted: str) -> bool:
    """Compare `3.272.0` with what `pulumi version` prints (`v3.272.0`, or nothing); another major is not compatible."""
    try:
        have, want = (
            tuple(int(part) for part in text.lstrip("v").split("-")[0].split(".")) for text in (found, wanted)
        )
    except ValueError:
        return False
    return have[:1] == want[:1] and have >= want


def _version(path: str) -> str:
    return _run((path, "version"), ANSWER_SECONDS).stdout.strip()


def _run(argv: tuple[str, ...], within: float) -> subprocess.CompletedProcess[str]:
    """Run a program; not being able to, or not within so many seconds, is an exit code that no program has."""
    try:
        return subprocess.run(argv, capture_output=True, text=True, timeout=within, check=False)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(argv, -1, "", f"no answer within {within:g} s")
    except OSError as error:
        return subprocess.CompletedProcess(argv, -1, "", str(error))
