"""The wrapper puts in place what is missing, and only that. Here uv and the environment it makes are stand-ins."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from infra.settings import ROOT

UV = """#!/bin/sh
echo "$@" >>"$LOG"
case $1 in
venv)
    for last; do :; done
    mkdir -p "$last/bin" "$last/lib/python3.11/site-packages"
    printf '#!/bin/sh\\necho "ran $@"\\n' >"$last/bin/python"
    chmod +x "$last/bin/python" ;;
pip) sleep "${UV_TAKES:-0}"; exit "${UV_FAILS:-0}" ;;
esac
"""
PYTHON = """#!/bin/sh
case "$*" in
*"pip config list") echo ":env:.index-url='${PIP_INDEX_URL:-}'"; echo "global.cert='${CERT_IN_PIP_CONF:-}'" ;;
*) echo "$0" ;;
esac
"""


class Checkout:
    """A folder with the wrapper and a lock file, and a PATH on which uv is a stand-in that writes down its calls."""

    def __init__(self, root: Path) -> None:
        self.root, self.programs, self.log = root / "checkout", root / "bin", root / "uv.log"
        self.venv = self.root / ".venv"
        self.root.mkdir()
        self.programs.mkdir()
        (self.root / "inv").write_bytes((ROOT / "inv").read_bytes())
        (self.root / "inv").chmod(0o755)
        (self.root / "requirements.lock").write_text("invoke==2.2.1\n")
        self.program("uv", UV)
        self.program("python3", PYTHON)

    def program(self, name: str, text: str) -> None:
        """Put a program before all others on the PATH."""
        (self.programs / name).write_text(text)
        (self.programs / name).chmod(0o755)

    def start(self, *arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.Popen[str]:
        """Start `./inv` with these arguments."""
        path = f"{self.programs}:{os.environ['PATH']}"
        return subprocess.Popen(
            [str(self.root / "inv"), *arguments],
            cwd=cwd or self.root,
            env={**os.environ, "PATH": path, "LOG": str(self.log), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def inv(self, *arguments: str, cwd: Path | None = None, **environment: str) -> tuple[int, str, str]:
        """Return exit code, output and errors of `./inv` with these arguments."""
        process = self.start(*arguments, cwd=cwd, **environment)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def calls(self) -> list[str]:
        """Return what uv was asked since the last time, by its first words."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return [" ".join(line.split()[:2]) for line in lines if not line.startswith("--version")]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """Return a checkout on which nothing was ever run."""
    return Checkout(tmp_path)


def test_the_first_time_makes_the_environment_and_the_second_does_nothing(checkout: Checkout) -> None:
    ran = f"ran {checkout.venv}/bin/invoke --search-root {checkout.root} backup --kind full\n"
    assert checkout.inv("backup", "--kind", "full")[:2] == (0, ran)
    assert checkout.calls() == ["venv --quiet", "pip sync"]
    assert checkout.inv("backup", "--kind", "full") == (0, ran, "")
    assert checkout.calls() == []


def test_it_may_be_called_from_anywhere_and_through_a_link(checkout: Checkout, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(checkout.root / "inv")
    checkout.inv()
    elsewhere = subprocess.run([tmp_path / "link", "x"], cwd="/", capture_output=True, text=True, check=True)
    assert f"--search-root {checkout.root} x" in elsewhere.stdout


def test_a_changed_lock_brings_the_environment_in_line(checkout: Checkout) -> None:
    checkout.inv()
    checkout.calls()
    (checkout.root / "requirements.lock").write_text("invoke==2.2.2\n")
    code, _, said = checkout.inv()
    assert (code, checkout.calls()) == (0, ["pip sync"])
    assert "requirements.lock has changed" in said


def test_an_environment_that_is_another_checkouts_is_used_and_never_changed(checkout: Checkout, tmp_path: Path) -> None:
    checkout.inv()
    checkout.venv.rename(tmp_path / "theirs")
    checkout.venv.symlink_to(tmp_path / "theirs")
    checkout.calls()
    assert checkout.inv()[0] == 0
    (checkout.root / "requirements.lock").write_text("invoke==2.2.2\n")
    code, _, said = checkout.inv()
    assert (code, checkout.calls()) == (3, [])
    assert f".venv is a link to {tmp_path / 'theirs'}" in said


@pytest.mark.parametrize("broken", ["requirements.lock", "bin/python"])
def test_a_half_made_environment_is_made_anew(checkout: Checkout, broken: str) -> None:
    checkout.inv()
    checkout.calls()
    (checkout.venv / broken).unlink()
    (checkout.venv / "left-over").touch()
    assert checkout.inv()[0] == 0
    assert checkout.calls() == ["venv --quiet", "pip sync"]
    assert not (checkout.venv / "left-over").exists()


def test_without_the_network_it_says_where_packages_come_from_and_the_next_run_starts_afresh(
    checkout: Checkout,
) -> None:
    code, out, said = checkout.inv(UV_FAILS="2")
    assert (code, out) == (3, "")
    assert "UV_DEFAULT_INDEX or PIP_INDEX_URL says where from" in said
    checkout.calls()
    assert checkout.inv()[0] == 0
    assert checkout.calls() == ["venv --quiet", "pip sync"]


def test_two_at_once_make_one_environment(checkout: Checkout) -> None:
    both = [checkout.start(UV_TAKES="0.3") for _ in range(2)]
    assert [process.communicate(timeout=60)[0].split()[0] for process in both] == ["ran", "ran"]
    assert checkout.calls() == ["venv --quiet", "pip sync"]


def test_pips_settings_hold_for_uv_too(checkout: Checkout) -> None:
    checkout.program("uv", UV.replace('echo "$@"', 'echo "$1 ${UV_DEFAULT_INDEX:-none} ${SSL_CERT_FILE:-none}"'))
    checkout.inv(PIP_INDEX_URL="https://mirror.example/simple", CERT_IN_PIP_CONF="/ca.pem", SSL_CERT_FILE="")
    assert "pip https://mirror.example/simple /ca.pem" in checkout.log.read_text()


def test_a_machine_without_a_fitting_python_says_so(checkout: Checkout) -> None:
    for name in ("python3", "python3.11", "python3.12", "python3.13", "python3.14", "apt-get"):
        checkout.program(name, "#!/bin/sh\necho broken >&2\nexit 1\n")
    code, _, said = checkout.inv()
    assert code == 3
    assert "no Python 3.11 or newer" in said or "apt-get could not install python3; its last line: broken" in said
