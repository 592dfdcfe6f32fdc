"""Where a run comes from: who, from which commit, for which change; and the runbook that a dead run's name means."""

from __future__ import annotations

import getpass
import importlib
import os
import socket
import subprocess
from datetime import UTC, datetime

from infra.settings import ROOT
from runbooks.core.errors import SeparuhError
from runbooks.core.run import Runbook


def now() -> str:
    """Return the wall clock's time, UTC, as records have it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def operator() -> str:
    """Return user, machine and process."""
    return f"{getpass.getuser()}@{socket.gethostname()} process {os.getpid()}"


def commit() -> str:
    """Return the checkout's commit, with a plus where files differ from it; empty outside git."""
    described = subprocess.run(
        ("git", "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty=+"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return described.stdout.strip()


def change() -> str:
    """Return the record of why this run is made, which the caller (a pipeline, a window) names in SEPARUH_CHANGE."""
    return os.environ.get("SEPARUH_CHANGE", "")


def find_runbook(name: str) -> Runbook:
    """Return the runbook called `name`: `<module>` or `<module>.<more>`, in `runbooks/<module>.py`, with _ for -."""
    module = importlib.import_module(f"runbooks.{name.partition('.')[0].replace('-', '_')}")
    for value in vars(module).values():
        if isinstance(value, Runbook) and value.name == name:
            return value
    raise SeparuhError(f"a dead run names the runbook {name!r}, which is not here: use the checkout it came from")
