"""The job files: each parsed by what reads it, and the lines in it run by the shell that runs them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.sections import Schedule
from infra.settings import ROOT, load
from runbooks.core.errors import Exit
from runbooks.parts.job_files import KINDS
from runbooks.parts.jobs import JOBS, Machine
from tests.test_ci import HOSTS

SETTINGS = replace(
    load("prod"),
    schedule=Schedule(backup_at="18:05", drill_at="19:30", jitter_seconds=90, notify_url="https://alerts.example/hook"),
)
INV = '#!/bin/sh\necho "$SEPARUH_IDENTITY_FILE|$*" >> "$0.log"\n'
INV += 'cat "$SEPARUH_IDENTITY_FILE" >> "$0.log"\n[ "$1" = schedule.run ] || exit 1\nexit "${ENDS:-0}"\n'


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Return a machine on whose disk no name is simple."""
    checkout = tmp_path / "of the bank, 100%"
    checkout.mkdir()
    (checkout / "inv").write_text(INV)
    (checkout / "inv").chmod(0o755)
    (checkout / "identity").write_text("the identity\n")
    return Machine(checkout=checkout, user="root", identity=checkout / "identity", secrets=Path("/etc/separuh/prod"))


def ran(machine: Machine) -> list[str]:
    """Return what `inv` was called with, and what it read as the identity."""
    return (machine.checkout / "inv.log").read_text().splitlines()


@pytest.mark.parametrize("kind", KINDS)
def test_the_values_are_the_stacks_and_the_machines(kind: str, machine: Machine) -> None:
    """Nothing of this checkout, of a registry or of a webhook's URL stands in a file."""
    files = KINDS[kind](SETTINGS, machine)
    text = "\n".join(files.values())
    for job in JOBS:
        assert f"schedule.run --job {job} --stack prod" in text
    assert str(ROOT) not in text
    assert "alerts.example" not in text
    assert not re.search(HOSTS, text)
    assert "{" not in "".join(files)


@pytest.fixture
def units(machine: Machine, tmp_path: Path) -> Path:
    """Return a folder with the units of systemd."""
    folder = tmp_path / "units"
    folder.mkdir()
    for name, text in KINDS["systemd"](SETTINGS, machine).items():
        (folder / name).write_text(text)
    return folder


needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze on this machine")


@needs_systemd
def test_systemd_takes_the_units(units: Path) -> None:
    names = sorted(str(path) for path in units.iterdir())
    assert len(names) == 6
    argv = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *names]
    said = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (said.returncode, said.stderr) == (0, "")


@needs_systemd
def test_systemd_refuses_a_unit_that_is_wrong(units: Path) -> None:
    """What the one above rests on: it tells a missing program, and a word it does not know."""
    file = units / "separuh-prod-backup.service"
    file.write_text(file.read_text().replace("/inv", "/no-inv").replace("KillMode", "KilMode"))
    argv = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(file)]
    said = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert said.returncode != 0
    assert "no-inv" in said.stderr
    assert "KilMode" in said.stderr


@needs_systemd
@pytest.mark.parametrize(
    ("job", "normal", "hours"),
    [("backup", "*-*-* 18:05:00 UTC", 24), ("drill", "*-*-* 19:30:00 UTC", 24), ("check", "*-*-* *:17:00 UTC", 1)],
)
def test_systemd_reads_the_times_as_they_are_meant(units: Path, job: str, normal: str, hours: int) -> None:
    timer = (units / f"separuh-prod-{job}.timer").read_text()
    (calendar,) = re.findall(r"^OnCalendar=(.*)$", timer, flags=re.MULTILINE)
    argv = ["systemd-analyze", "calendar", "--iterations=2", calendar]
    said = subprocess.run(
        argv, capture_output=True, text=True, check=True, env={"PATH": os.environ["PATH"], "TZ": "UTC"}
    )
    assert f"Normalized form: {normal}" in said.stdout
    first, second = re.findall(r"(?:elapse|#2): \w+ (\S+ \S+) UTC", said.stdout)
    between = ["date", "-u", "+%s", "-d"]
    moments = [
        int(subprocess.run([*between, at], capture_output=True, text=True, check=True).stdout) for at in (first, second)
    ]
    assert moments[1] - moments[0] == hours * 3600
    assert "RandomizedDelaySec=90\n" in timer


def test_the_services_take_degraded_for_a_success_and_leave_the_lease_to_the_job(units: Path) -> None:
    for job in JOBS:
        service = (units / f"separuh-prod-{job}.service").read_text()
        assert "\nSuccessExitStatus=7\n" in service
        assert "Restart" not in service


def test_crons_lines_run_in_its_shell(machine: Machine) -> None:
    """As cron runs them: % is unescaped, the environment is the file's, the folder is the user's home."""
    (text,) = KINDS["cron"](SETTINGS, machine).values()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    environment = dict(line.split("=", 1) for line in lines if re.match(r"[A-Z_]+=", line))
    jobs = [line.split(maxsplit=6) for line in lines if line[0].isdigit()]
    assert [job[:6] for job in jobs] == [
        [*_local("18:05"), "*", "*", "*", "root"],
        [*_local("19:30"), "*", "*", "*", "root"],
        ["17", "*", "*", "*", "*", "root"],
    ]
    for job, (*_, command) in zip(JOBS, jobs, strict=True):
        assert "%" not in command.replace(r"\%", "")
        line = command.replace(r"\%", "%")
        subprocess.run([environment["SHELL"], "-c", line], env=environment, cwd="/", check=True)
        assert ran(machine)[-2].endswith(f"|schedule.run --job {job} --stack prod --jitter 90")
        assert (machine.checkout / ".separuh" / "prod" / f"{job}.log").exists()
    assert ran(machine)[-1] == "the identity"


def _local(at: str) -> list[str]:
    said = subprocess.run(["date", "-d", f"{at} UTC", "+%-M %-H"], capture_output=True, text=True, check=True)
    return said.stdout.split()


def scripts(kind: str, machine: Machine) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return, by job, the script of a pipeline and the job around it, as YAML is read."""
    (text,) = KINDS[kind](SETTINGS, machine).values()
    parsed = yaml.safe_load(text)
    if kind == "gitlab":
        return {name.removeprefix("separuh-prod-"): ("\n".join(job["script"]), job) for name, job in parsed.items()}
    assert parsed[True]["schedule"] == [{"cron": "5 18 * * *"}, {"cron": "17 * * * *"}]  # YAML 1.1 takes on for true
    return {name: (job["steps"][-1]["run"], job) for name, job in parsed["jobs"].items()}


@pytest.mark.parametrize("kind", ["github", "gitlab"])
@pytest.mark.parametrize("code", [Exit.DONE, Exit.DEGRADED, Exit.FAILED, Exit.LEASE_HELD, Exit.UNDONE])
def test_a_pipelines_script_hands_the_identity_over_and_ends_as_the_job_does(
    kind: str, code: int, machine: Machine, tmp_path: Path
) -> None:
    """Degraded is a warning: GitHub is told so in its own words, GitLab knows exit codes that may fail."""
    given = "the secret" if kind == "github" else str(tmp_path / "variable")
    (tmp_path / "variable").write_text("the secret\n")
    environment = {"PATH": os.environ["PATH"], "SEPARUH_IDENTITY": given, "ENDS": str(code), "TMPDIR": str(tmp_path)}
    for name, (script, job) in scripts(kind, machine).items():
        argv = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
        ended = subprocess.run(argv, cwd=machine.checkout, env=environment, capture_output=True, text=True, check=False)
        called, read = ran(machine)[-2:]
        assert called.endswith(f"|schedule.run --job {name} --stack prod --jitter 90")
        assert read == "the secret"
        assert not Path(called.split("|")[0]).exists(), "the identity is gone with the job"
        tolerated = code in job.get("allow_failure", {}).get("exit_codes", [])
        assert tolerated is (kind == "gitlab" and code == Exit.DEGRADED)
        assert ("::warning::" in ended.stdout) is (kind == "github" and code == Exit.DEGRADED)
        assert ended.returncode == (0 if kind == "github" and code == Exit.DEGRADED else code)


@pytest.mark.parametrize("kind", ["github", "gitlab"])
def test_the_drill_follows_the_backup_even_if_that_failed(kind: str, machine: Machine) -> None:
    jobs = {name: job for name, (_, job) in scripts(kind, machine).items()}
    assert list(jobs) == ["backup", "drill", "check"]
    if kind == "github":
        assert jobs["drill"]["needs"] == "backup"
        assert "!cancelled()" in jobs["drill"]["if"]
        assert "'17 * * * *'" in jobs["check"]["if"]
    else:
        assert jobs["drill"]["needs"] == ["separuh-prod-backup"]
        assert jobs["drill"]["rules"][0]["when"] == "always"
        assert '"check"' in jobs["check"]["rules"][0]["if"]
