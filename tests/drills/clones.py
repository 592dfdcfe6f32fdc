"""Another clone of the repository, as a colleague or another machine has it, and a stack of its own in one."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from infra.settings import ROOT
from tests.drills.conftest import clear
from tests.drills.stack import Stack

Values = dict[str, Any]  # a stack's config, by key


def clone(root: Path) -> None:
    """Clone what is committed into `root`, with this checkout's packages."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(root)], check=True)
    (root / ".venv").symlink_to(ROOT / ".venv")


def cloned(stack: Stack, root: Path, **environment: str) -> Stack:
    """Clone into `root`: the stack's config is there, its secrets and its pins are not."""
    clone(root)
    shutil.copy(ROOT / f"Pulumi.{stack.name}.yaml", root)  # a stack of somebody's own is not committed
    return Stack(stack.name, root, **environment)


def values_of_test(root: Path, ports: Mapping[str, Mapping[str, int]]) -> Values:
    """Return the config of the stack `test` in a clone, with the ports of each site that are given."""
    values: Values = yaml.safe_load((root / "Pulumi.test.yaml").read_text())["config"]
    for site in values["separuh:sites"]:
        site["publish"].update(ports[site["name"]])
    return values


def write_values(root: Path, name: str, values: Values) -> None:
    """Let a clone have a stack called `name`."""
    (root / f"Pulumi.{name}.yaml").write_text(yaml.safe_dump({"config": values}))


@contextmanager
def stack_of_its_own(
    name: str, root: Path, ports: Mapping[str, Mapping[str, int]], change: Callable[[Values], None]
) -> Iterator[Stack]:
    """Yield a stack in a clone, with `test`'s values as `change` leaves them, not up yet; nothing of it is left."""
    clone(root)
    values = values_of_test(root, ports)
    change(values)
    write_values(root, name, values)
    stack = Stack(name, root)
    clear(stack)
    try:
        yield stack
    finally:
        stack.close()
        clear(stack)
