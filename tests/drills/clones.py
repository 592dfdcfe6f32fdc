"""Another clone of the repository, as a colleague or another machine has it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from infra.settings import ROOT
from tests.drills.stack import Stack


def cloned(stack: Stack, root: Path, **environment: str) -> Stack:
    """Clone into `root`: the stack's config is there, its secrets and its pins are not."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(root)], check=True)
    (root / ".venv").symlink_to(ROOT / ".venv")  # the packages, not the checkout
    shutil.copy(ROOT / f"Pulumi.{stack.name}.yaml", root)  # a stack of somebody's own is not committed
    return Stack(stack.name, root, **environment)
