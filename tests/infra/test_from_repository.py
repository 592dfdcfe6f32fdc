"""A member made out of a repository: which backup it takes, and what it leaves to a copy of the leader."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from infra.images import CONTEXT

HISTORY = "00000003.history|1\t0/5000000\tno recovery target\n2\t0/7000000\tno recovery target\n"
SYSTEM = "7000000000000000001"


def backup(label: str, timeline: int, stop: str, **given: Any) -> dict[str, Any]:
    """Return a backup as pgBackRest tells of it."""
    return {
        "label": label,
        "archive": {"stop": f"{timeline:08X}0000000000000004"},
        "lsn": {"stop": stop},
        "database": {"id": 1, "repo-key": 2},
        "error": False,
        **given,
    }


class Tools:
    """psql and pgBackRest, and what they are told."""

    def __init__(self) -> None:
        self.backups: list[dict[str, Any]] = []
        self.timeline = 3
        self.archived: str | None = "000000030000000000000007"
        self.fails = False
        self.said: list[tuple[str, ...]] = []

    def run(self, argv: tuple[str, ...], **_: Any) -> subprocess.CompletedProcess[str]:
        self.said.append(argv)
        if argv[0] == "psql":
            asked = argv[-1]
            answer = HISTORY if asked.startswith("TIMELINE") else f"{SYSTEM}|{self.timeline}|0/8000000|"
            return subprocess.CompletedProcess(argv, 0, f"{answer}\n", "")
        if argv[-1] == "info":
            bases = [{"id": 1, "repo-key": 2, "system-id": int(SYSTEM)}, {"id": 2, "repo-key": 2, "system-id": 7}]
            archive = [{"id": "17-1", "max": self.archived, "min": None, "database": {"id": 1, "repo-key": 2}}]
            told = json.dumps([{"db": bases, "backup": self.backups, "archive": archive}])
            return subprocess.CompletedProcess(argv, 0, told, "")
        draft = Path(next(word.partition("=")[2] for word in argv if word.startswith("--pg1-path")))
        (draft / "PG_VERSION").write_text("17")
        return subprocess.CompletedProcess(argv, int(self.fails), "", "ERROR: [103]: no")


@pytest.fixture
def tools() -> Tools:
    return Tools()


@pytest.fixture
def make(tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the program as a function of the repositories to ask, whose stores all answer."""
    program = ModuleType("from_repository")
    text = (CONTEXT / "database" / "from-repository").read_text()
    exec(compile(text, "from-repository", "exec"), vars(program))  # noqa: S102
    monkeypatch.setattr(subprocess, "run", tools.run)
    vars(program)["listening"] = lambda number: number != "1"
    options = ("--scope=credit", f"--datadir={tmp_path}/1", "--connstring=host=leader", "--role=replica")

    def call(repositories: str) -> None:
        monkeypatch.setattr(sys, "argv", ["from-repository", f"--repositories={repositories}", *options])
        vars(program)["main"]()

    return call


@pytest.mark.parametrize(
    ("backups", "label"),
    [
        ([backup("A", 1, "0/4000000"), backup("B", 1, "0/4500000")], "B"),
        ([backup("A", 1, "0/4000000"), backup("B", 1, "0/5000001")], "A"),  # B ended where nobody went on
        ([backup("A", 3, "0/7500000"), backup("B", 4, "0/7600000")], "A"),
        ([backup("A", 1, "0/4000000"), backup("B", 1, "0/4500000", error=True)], "A"),
        ([backup("A", 1, "0/4000000"), backup("B", 1, "0/4500000", database={"id": 2, "repo-key": 2})], "A"),
    ],
)
def test_the_newest_backup_that_the_leader_goes_on_from(
    make: Any, tools: Tools, tmp_path: Path, backups: list[dict[str, Any]], label: str
) -> None:
    (tmp_path / "1").mkdir()
    tools.backups = backups
    make("2")
    assert f"--set={label}" in tools.said[-1]
    assert (tmp_path / "1" / "PG_VERSION").exists()
    assert not (tmp_path / "1.draft").exists()


@pytest.mark.parametrize("archived", [None, "0000000200000000000000FF"])
def test_a_timeline_of_which_the_archive_has_nothing_is_not_reached_from_an_older_one(
    make: Any, tools: Tools, archived: str | None
) -> None:
    tools.archived, tools.backups = archived, [backup("A", 1, "0/4000000")]
    with pytest.raises(SystemExit, match="no repository has a backup"):
        make("2")
    tools.backups += [backup("B", 3, "0/7500000"), backup("C", 2, "0/6000000")]
    make("2")
    assert "--set=B" in tools.said[-1]


def test_a_store_that_is_silent_is_passed_by(make: Any, tools: Tools) -> None:
    tools.backups = [backup("A", 1, "0/4000000")]
    make("1,2")
    assert "--repo=2" in tools.said[-1]


def test_the_first_timeline_has_no_history(make: Any, tools: Tools) -> None:
    tools.timeline, tools.backups = 1, [backup("A", 1, "0/4000000")]
    make("2")
    assert not any("TIMELINE_HISTORY" in argv[-1] for argv in tools.said)


@pytest.mark.parametrize("fails", [False, True])
def test_where_none_leads_there_or_it_fails_the_leader_is_copied(
    make: Any, tools: Tools, tmp_path: Path, fails: bool
) -> None:
    tools.fails, tools.backups = fails, [backup("A", 1, "0/4000000")] if fails else []
    with pytest.raises(SystemExit) as ended:
        make("1,2")
    assert ended.value.code
    assert list(tmp_path.iterdir()) == []
