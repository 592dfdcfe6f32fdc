"""Runs Pulumi's command line on this program, with its state and passphrase under `.separuh/<stack>`.

Pulumi writes the salt of its encryption into the stack's config file, so it gets a copy: the checkout stays clean.
"""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Collection
from pathlib import Path

import yaml

from infra.identity import write_private
from infra.settings import Settings, SettingsError

SALT = "encryptionsalt"


class PulumiFailed(SettingsError):
    """Pulumi ended with an error, which it has printed itself."""


def up(settings: Settings, root: Path, cli: Path, *, plan: bool, only: Collection[str] = ()) -> None:
    """Run `pulumi up`, or `pulumi preview`, its output passed through; `only` names the places to touch."""
    places = (f"**::{settings.stack}-{place}{rest}" for place in only for rest in ("", "-**"))
    targets = [f"--target={urn}" for urn in places]
    _select(settings, root, cli)
    _run(settings, root, cli, "preview" if plan else "up", *([] if plan else ["--yes", "--skip-preview"]), *targets)


def down(settings: Settings, root: Path, cli: Path) -> None:
    """Run `pulumi destroy`. Volumes that are declared as kept stay on their engines."""
    _select(settings, root, cli)
    _run(settings, root, cli, "state", "unprotect", "--all", "--yes", config=False)
    _run(settings, root, cli, "destroy", "--yes", "--skip-preview")


def environment(settings: Settings, root: Path) -> dict[str, str]:
    """Return the variables with which `pulumi` finds this stack's state, by hand too; the passphrase is in a file."""
    folder = root / ".separuh" / settings.stack
    passphrase = folder / "pulumi.passphrase"
    write_private(passphrase, secrets.token_hex(32).encode(), replace=False)
    (folder / "pulumi").mkdir(exist_ok=True)
    return {
        "PULUMI_BACKEND_URL": f"file://{folder / 'pulumi'}",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(passphrase),
        "PULUMI_SKIP_UPDATE_CHECK": "1",
    }


def _select(settings: Settings, root: Path, cli: Path) -> None:
    config = _config_file(settings, root)
    salt = (yaml.safe_load(config.read_text()) or {}).get(SALT) if config.exists() else None
    values = yaml.safe_load((root / f"Pulumi.{settings.stack}.yaml").read_text()) or {}
    write_private(config, yaml.safe_dump({**values, **({SALT: salt} if salt else {})}).encode())
    state = root / ".separuh" / settings.stack / "pulumi" / ".pulumi" / "stacks"
    if not list(state.glob(f"*/{settings.stack}.json")):
        apart = config.parent / "pulumi.init"  # `stack init` takes no other config file: it writes its salt here
        write_private(apart / "Pulumi.yaml", (root / "Pulumi.yaml").read_bytes())
        _run(settings, root, cli, "stack", "init", config=False, folder=apart)


def _run(
    settings: Settings, root: Path, cli: Path, *argv: str, config: bool = True, folder: Path | None = None
) -> None:
    chosen = ["--stack", settings.stack, *(["--config-file", str(_config_file(settings, root))] if config else [])]
    command = [str(cli), *argv, "--non-interactive", *chosen]
    path = f"{cli.parent}:{os.environ.get('PATH', '')}"  # its language host stands beside it
    variables = {**os.environ, **environment(settings, root), "PATH": path}
    code = subprocess.run(command, cwd=folder or root, env=variables, check=False).returncode
    if code:
        raise PulumiFailed(
            f"stack {settings.stack}: pulumi {' '.join(argv)} exited {code}; it says why above. "
            "What it did is in its state: `./inv up` again goes on from there"
        )


def _config_file(settings: Settings, root: Path) -> Path:
    return root / ".separuh" / settings.stack / "pulumi.yaml"
