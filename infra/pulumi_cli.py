"""Pulumi's command line with its engine: on the PATH, kept from an earlier fetch, or fetched by the SDK's installer."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from infra import failures
from infra.machine import STATE, Say, say_on_stderr

HOME = STATE / "pulumi"
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
    """Return `pulumi`, fetched if need be, or None where it cannot be had; `why_not` then says why.

    A failed fetch is remembered for a day.
    """
    if (path := find()) or failures.recall("pulumi"):
        return path
    say(f"fetching Pulumi {version('pulumi')} into .separuh/machine/pulumi")
    argv = (sys.executable, "-c", FETCH, str(HOME))
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=FETCH_SECONDS, check=False)
        reason = done.stderr.strip().splitlines()[-1] if done.returncode else ""
    except subprocess.TimeoutExpired:
        reason = f"not fetched within {FETCH_SECONDS} s"
    if reason:
        failures.remember("pulumi", reason)
    return find()


def why_not() -> str:
    """Return in one line why Pulumi is not there, for whoever chooses another engine because of it."""
    reason = failures.recall("pulumi")
    return f"Pulumi {version('pulumi')} could not be fetched ({reason}); tried once a day" if reason else ""


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
    try:
        return subprocess.run(
            (path, "version"), capture_output=True, text=True, timeout=ANSWER_SECONDS, check=False
        ).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""
