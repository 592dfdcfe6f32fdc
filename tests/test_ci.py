"""Nothing of one machine or one company's mirror is committed, and every pipeline runs what an operator runs."""

from __future__ import annotations

import re
import subprocess

import pytest
import yaml

from infra.settings import ROOT

# Patterns, with a bracket where this file would find itself.
HOSTS = r"pypi[.]org|pythonhosted[.]org|deb[.]debian[.]org|docker[.]io/|ghcr[.]io|quay[.]io|proxy[.]golang[.]org"
PATHS = r"(^|[^a-z])/(work|home|Users)/[a-z]|/root/[.]pyenv|/tmp/[a-z]/"
SECRETS = r"AGE-SECRET-KEY-1[02-9A-Z]{40}|-----BEGIN [A-Z ]*PRIVATE KEY-----[\\n]"


def tracked() -> dict[str, str]:
    """Return every committed text file with its content."""
    listed = subprocess.run(("git", "ls-files", "-z"), cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return {name: (ROOT / name).read_text(errors="replace") for name in listed.split("\0") if (ROOT / name).is_file()}


@pytest.mark.parametrize("pattern", [HOSTS, PATHS, SECRETS], ids=["hosts", "paths", "secrets"])
def test_no_committed_file_names_a_registry_a_machine_or_a_secret(pattern: str) -> None:
    files = tracked()
    assert len(files) > 50
    found = [f"{name}: {hit[0]}" for name, text in files.items() for hit in re.finditer(pattern, text, re.MULTILINE)]
    assert found == []


def test_the_lock_has_a_version_and_a_hash_for_every_package() -> None:
    text = (ROOT / "requirements.lock").read_text().replace("\\\n", " ")
    packages = [line for line in text.splitlines() if line.strip()]
    assert len(packages) > 50
    assert [line for line in packages if not re.match(r"\S+==\S+ .*--hash=sha256:[0-9a-f]{64}", line)] == []
    assert any(line.startswith("uv==") for line in packages), "the wrapper takes uv's version and hashes from here"


def test_every_declared_dependency_is_in_the_lock() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    declared = re.findall(r'^    "([A-Za-z0-9-]+)[^"]*",$', project.split("[tool.")[0], flags=re.MULTILINE)
    locked = {
        line.split("==")[0].lower() for line in (ROOT / "requirements.lock").read_text().splitlines() if "==" in line
    }
    assert len(declared) > 20
    assert {name.lower() for name in declared} - locked == set()


def test_both_pipelines_run_what_an_operator_runs() -> None:
    github = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]
    gitlab = yaml.safe_load((ROOT / ".gitlab-ci.yml").read_text())
    for job in ("check", "test"):
        commands = [step["run"] for step in github[job]["steps"] if "run" in step]
        assert commands == gitlab[job]["script"]
    assert gitlab["check"]["script"] == ["./inv check"]
    assert gitlab["test"]["script"] == [".ci/run"]
    assert re.search(r"^timeout .* 48m ./inv test ", (ROOT / ".ci/run").read_text(), flags=re.MULTILINE)


def test_hooks_before_a_commit_come_from_the_lock_alone() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repository["repo"] for repository in hooks] == ["local"]
    assert all(hook["entry"].startswith(".venv/bin/") for hook in hooks[0]["hooks"])
