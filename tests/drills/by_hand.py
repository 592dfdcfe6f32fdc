"""A clone in which somebody types what docs/pulumi.md says, instead of `./inv up`."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from infra.secrets import Secrets, open_secrets
from infra.settings import ROOT, Settings, load
from tests.drills.clones import clone, values_of_test, write_values
from tests.drills.stack import Stack

NAME = "byhand"
# Below those that a client on this machine is given at random.
PORTS = {"jkt": {"gateway": 11080, "store": 11900}, "sby": {"gateway": 21080, "store": 21900}}
FIRST_UP, AGAIN = 900, 300  # seconds; images may have to be built first


class ByHand:
    """The stack NAME of a clone; every line typed has a deadline, and fails the drill with what it said."""

    def __init__(self, root: Path, cli: Path) -> None:
        """Clone into `root`, with `test`'s values under other ports. `cli` is the `pulumi` that is typed."""
        clone(root)
        self._values = values_of_test(root, PORTS)
        self.root, self.stack = root, Stack(NAME, root)
        self.set_engine("auto")
        self.path = f"{cli.parent}{os.pathsep}{os.environ['PATH']}"
        self.state = root / ".separuh" / "pulumi"

    def set_engine(self, name: str) -> None:
        """Say in the stack's values which engine is to be used."""
        write_values(self.root, NAME, {**self._values, "separuh:engine": name})

    def shell(self, lines: str, within: float = AGAIN) -> str:
        """Type lines, in a shell that gives up at the first that fails."""
        typed = {**os.environ, "PATH": self.path, "PULUMI_SKIP_CONFIRMATIONS": "true", "PULUMI_SKIP_UPDATE_CHECK": "1"}
        done = subprocess.run(
            ["sh", "-ec", lines], cwd=self.root, env=typed, capture_output=True, text=True, timeout=within, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def pulumi(self, words: str) -> str:
        """Type one `pulumi` line later, in another shell."""
        again = next(line for line in documented().splitlines() if line.startswith("export "))
        return self.shell(f"{again}; pulumi {words} --stack {NAME}")

    def settings(self) -> Settings:
        """Return the stack's settings."""
        return load(NAME, self.root)

    def secrets(self) -> Secrets:
        """Return the secrets that the lines made."""
        return open_secrets(self.settings(), self.root)


def documented() -> str:
    """Return the lines that the documentation says to type, for the drill's stack."""
    block = re.search(r"```sh\n(.*?)```", (ROOT / "docs" / "pulumi.md").read_text(), re.DOTALL)
    assert block
    return block[1].replace("--create dev", f"--create {NAME}")
