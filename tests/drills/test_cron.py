"""The crontab, carried out by Debian's own cron: it reads the file, and at its minute runs the job as it is written."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from infra.base_image import TAG
from infra.sections import Schedule
from infra.settings import load
from runbooks.parts.job_files import KINDS
from runbooks.parts.jobs import Machine
from tests.drills.stack import docker, until

pytestmark = [pytest.mark.drill, pytest.mark.full]

NAME = "separuh-cron-drill"
INSTALL = "apt-get update -qq && apt-get install -y -qq --no-install-recommends cron && touch /ready && exec cron -f"
INV = '#!/bin/sh\necho "$(id -un)|$SEPARUH_IDENTITY_FILE|$*"\nexit 7\n'
LEAD = 2  # minutes from now at which the job is due, the minute that has begun left out


@pytest.fixture
def machine() -> Iterator[str]:
    """Start a Debian machine of which nothing runs but cron."""
    docker("run", "--detach", "--name", NAME, "--entrypoint", "sh", TAG, "-c", INSTALL)
    try:
        until(lambda: answers("test", "-e", "/ready"), 120, "cron is installed")
        yield NAME
    finally:
        docker("rm", "--force", NAME)


def answers(*command: str) -> bool:
    return subprocess.run(["docker", "exec", NAME, *command], capture_output=True, check=False).returncode == 0


def put(path: str, text: str, mode: str) -> None:
    """Write a file of root's on the machine."""
    write = f"mkdir -p {Path(path).parent} && cat > {path} && chmod {mode} {path}"
    subprocess.run(["docker", "exec", "-i", NAME, "sh", "-c", write], input=text, text=True, check=True)


def test_cron_runs_the_job_at_its_minute(machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the user, in the folder and with the variables that the file names; what it says is in the job's log."""
    monkeypatch.setenv("TZ", "UTC")  # as the machine's
    time.tzset()
    due = datetime.now(UTC) + timedelta(minutes=LEAD)
    settings = replace(load("prod"), schedule=Schedule(backup_at=f"{due:%H:%M}", drill_at="00:00", jitter_seconds=0))
    there = Machine(
        checkout=Path("/opt/separuh"), user="daemon", identity=Path("/etc/id"), secrets=Path("/etc/separuh")
    )
    put("/opt/separuh/inv", INV, "0755")
    docker("exec", NAME, "chown", "-R", "daemon", "/opt/separuh")
    ((name, text),) = KINDS["cron"](settings, there).items()
    put(f"/etc/cron.d/{name}", text, "0644")
    log = "/opt/separuh/.separuh/prod/backup.log"
    until(lambda: answers("test", "-s", log), 60 * (LEAD + 1), "cron has run the job")
    said = docker("exec", NAME, "cat", log)
    assert said == "daemon|/etc/id|schedule.run --job backup --stack prod --jitter 0\n"
    written = docker("exec", NAME, "stat", "--format=%Y", log)
    assert 0 <= int(written) - int(due.replace(second=0, microsecond=0).timestamp()) < 60
    assert not answers("test", "-e", "/opt/separuh/.separuh/prod/drill.log")
