"""Imports go one way: tasks, runbooks, adapters, core; infra knows none of them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.settings import ROOT

FOLDERS = ("infra", "runbooks")
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py") if "images" not in path.parts)
MAY_USE = {
    "infra": ("infra",),
    "runbooks.core": ("runbooks.core", "infra"),
    "runbooks.adapters": ("runbooks.core", "runbooks.adapters", "infra.settings"),
    "runbooks": ("runbooks", "infra"),
}
HEAVY = {"boto3", "docker", "fabric", "infra", "paramiko", "pulumi", "pulumi_docker", "rich", "runbooks"}
OPENERS = {"boto3", "fabric", "paramiko", "psycopg", "aiohttp", "httpx", "requests", "socket", "subprocess"}


def imported(path: Path, top_only: bool = False) -> Iterator[str]:
    """Yield what a file imports, as full dotted names."""
    tree = ast.parse(path.read_text())
    for node in tree.body if top_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def layer(path: Path) -> str:
    """Return the layer to which a file belongs."""
    package = ".".join(path.relative_to(ROOT).parent.parts)
    return next(name for name in MAY_USE if f"{package}.".startswith(f"{name}."))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_imports_only_what_lies_below_it(path: Path) -> None:
    allowed = MAY_USE[layer(path)]
    ours = [name for name in imported(path) if name.split(".")[0] in ("infra", "runbooks", "tasks", "tests")]
    assert [name for name in ours if not name.startswith(tuple(f"{each}." for each in allowed))] == []


@pytest.mark.parametrize("path", sorted((ROOT / "runbooks/adapters").glob("*.py")), ids=lambda path: path.name)
def test_an_adapter_opens_nothing(path: Path) -> None:
    assert {name.split(".")[0] for name in imported(path)} & OPENERS == set()


def test_tasks_imports_nothing_heavy_at_its_top() -> None:
    assert {name.split(".")[0] for name in imported(ROOT / "tasks.py", top_only=True)} & HEAVY == set()
