"""`inv` in another clone of the repository, as a colleague has it, against a stack that lives."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pyrage
import pytest

from infra.settings import ROOT
from runbooks.core.errors import Exit
from tests.drills.clones import cloned
from tests.drills.containers import identities, labelled
from tests.drills.stack import Stack

pytestmark = pytest.mark.drill


@pytest.fixture
def clone(stack: Stack, tmp_path: Path) -> Stack:
    """A fresh clone, which has the stack's config, and neither its secrets nor its pins."""
    return cloned(stack, tmp_path / "clone")


@pytest.fixture
def admitted(clone: Stack) -> Stack:
    """A clone that was given secrets and pins."""
    folder = clone.root / ".separuh" / clone.name
    folder.mkdir(parents=True)
    for file in ("secrets.age", "images.yaml"):
        shutil.copy(ROOT / ".separuh" / clone.name / file, folder)
    return clone


def untracked(clone: Stack) -> str:
    """Return what git sees in a clone that was not committed."""
    status = ["git", "status", "--porcelain", "--untracked-files=all"]
    return subprocess.run(status, cwd=clone.root, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("verb", [("up",), ("up", "--plan"), ("backup",), ("status",)], ids=" ".join)
def test_without_the_secrets_it_is_told_what_is_missing_and_changes_nothing(
    clone: Stack, verb: tuple[str, ...]
) -> None:
    before = identities(labelled("container", clone.name))
    told = clone.inv(*verb, code=Exit.NOT_READY)
    assert str(clone.root / ".separuh" / clone.name / "secrets.age") in told
    assert "opy " in told, "it says where the file can be had"
    assert identities(labelled("container", clone.name)) == before
    assert not (clone.root / ".separuh" / clone.name).exists(), "nothing is made that would stand in the way"


@pytest.mark.parametrize("verb", [("up",), ("backup",)], ids=" ".join)
def test_with_another_identity_it_is_refused(admitted: Stack, tmp_path: Path, verb: tuple[str, ...]) -> None:
    mine = tmp_path / "identity.txt"
    mine.touch(mode=0o600)
    mine.write_text(f"{pyrage.x25519.Identity.generate()}\n")
    told = Stack(admitted.name, admitted.root, SEPARUH_IDENTITY_FILE=str(mine)).inv(*verb, code=Exit.NOT_READY)
    assert f"{mine} does not open it" in told
    mine.chmod(0o644)
    told = Stack(admitted.name, admitted.root, SEPARUH_IDENTITY_FILE=str(mine)).inv(*verb, code=Exit.NOT_READY)
    assert f"chmod 600 {mine}" in told


def test_another_dockerfile_changes_no_running_member(admitted: Stack) -> None:
    before = identities(labelled("container", admitted.name))
    for dockerfile in (admitted.root / "infra" / "images").glob("*/Dockerfile"):
        dockerfile.write_text(dockerfile.read_text() + "RUN true\n")
    assert "nothing to change" in admitted.inv("up", within=200)
    assert identities(labelled("container", admitted.name)) == before


def test_without_the_pins_a_plan_would_change_members(admitted: Stack) -> None:
    """What the one above rests on: it is the pins that keep the members as they are."""
    (admitted.root / ".separuh" / admitted.name / "images.yaml").unlink()
    assert "not-built-yet" in admitted.inv("up", "--plan", code=Exit.NOT_READY)


def test_the_checkout_stays_as_it_was(admitted: Stack) -> None:
    before = untracked(admitted)
    admitted.inv("up", within=200)
    admitted.inv("backup", "--plan")
    admitted.inv("runs")
    assert untracked(admitted) == before


@pytest.mark.parametrize(
    ("verb", "told"),
    [
        (("up", "--site", "mks"), "has no site 'mks': its sites are jkt and sby"),
        (("up", "--site", "bdg"), "has no site 'bdg': its sites are jkt and sby"),
    ],
)
def test_an_unknown_site_is_refused_by_name(stack: Stack, verb: tuple[str, ...], told: str) -> None:
    assert told in stack.inv(*verb, code=Exit.USAGE)


@pytest.mark.parametrize("verb", ["up", "down", "status", "backup"])
def test_an_unknown_stack_is_refused_by_name(verb: str) -> None:
    told = Stack("nowhere").inv(verb, code=Exit.USAGE)
    assert "no stack 'nowhere': there is no Pulumi.nowhere.yaml; known stacks:" in told
    assert "dev" in told
