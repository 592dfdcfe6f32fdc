"""Runs Pulumi's command line on this program as an operator would by hand, and finds what was made by hand.

Where the state is and where Pulumi writes besides is said in Pulumi.yaml; the environment may name a backend or a
passphrase of the operator's own, as for every call of `pulumi`.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

from docker.api import APIClient
from docker.errors import APIError

from infra.engines import Engines
from infra.identity import write_private
from infra.present import DRILL, PLACE_LABEL, ROLE_LABEL, labels, look
from infra.settings import Settings, SettingsError

FOLDER = Path(".separuh") / "pulumi"
PASSPHRASE = "PULUMI_CONFIG_PASSPHRASE"  # noqa: S105 - the name of the variable
AGAIN = {"exited": APIClient.start, "paused": APIClient.unpause}  # by the state that `inspect` shows


class PulumiFailed(SettingsError):
    """Pulumi ended with an error, which it has printed itself."""


def preview(settings: Settings, root: Path, cli: Path, *, only: Collection[str] = ()) -> None:
    """Run `pulumi preview`, its output passed through. PulumiFailed where it cannot say."""
    _make_stack(settings, root, cli)
    _run(settings, root, cli, "preview", "--refresh", *targets(settings, only))


def up(settings: Settings, root: Path, cli: Path, *, only: Collection[str] = ()) -> None:
    """Run `pulumi up`, its output passed through; `only` names the places to touch. PulumiFailed in the middle.

    It refreshes first: Pulumi compares with its state, which knows nothing of what was removed or altered by hand.
    """
    _make_stack(settings, root, cli)
    _run(settings, root, cli, "up", "--refresh", "--yes", "--skip-preview", *targets(settings, only))


def start_stopped(engines: Engines, only: Collection[str]) -> list[str]:
    """Start what was stopped or paused by hand, and return its names: Pulumi would replace it instead."""
    started = []
    for place in only or engines.places:
        client = engines.client(place)
        for name, found in look(client, engines.settings.stack).found["container"].items():
            again, its = AGAIN.get(found["State"]["Status"]), labels("container", found)
            if again and its.get(PLACE_LABEL) == place and its.get(ROLE_LABEL) != DRILL:
                with suppress(APIError):  # what does not start is Pulumi's to replace
                    again(client.api, name)
                    started.append(name)
    return started


def down(settings: Settings, root: Path, cli: Path, *, only: Collection[str] = ()) -> None:
    """Run `pulumi destroy`. Volumes that are declared as kept stay on their engines."""
    _make_stack(settings, root, cli)
    _run(settings, root, cli, "state", "unprotect", "--all", "--yes")
    _run(settings, root, cli, "destroy", "--yes", "--skip-preview", *targets(settings, only))


def targets(settings: Settings, only: Collection[str]) -> list[str]:
    """Return the options that restrict Pulumi to the places in `only`, and to the link where they share an engine."""
    if not only:
        return []
    names = [f"{settings.stack}-{place}{rest}" for place in only for rest in ("", "-**")]
    if settings.one_engine:
        names.append(f"{settings.stack}-link")
    return [f"--target=**::{name}" for name in names]


def environment(root: Path, given: Mapping[str, str]) -> dict[str, str]:
    """Return `given` with what Pulumi needs to run unasked; the passphrase is in a file, made where there is none."""
    added = {"PULUMI_SKIP_UPDATE_CHECK": "1"}
    if not (given.get(PASSPHRASE) or given.get(f"{PASSPHRASE}_FILE")):
        passphrase = root / FOLDER / "passphrase"
        write_private(passphrase, secrets.token_hex(32).encode(), replace=False)
        added[f"{PASSPHRASE}_FILE"] = str(passphrase)
    return {**given, **added}


def _make_stack(settings: Settings, root: Path, cli: Path) -> None:
    """Make Pulumi's stack unless it is there. It is not selected: that is the choice of whoever types `pulumi`."""
    known = json.loads(_call(root, cli, "stack", "ls", "--json", capture=True) or "[]")
    if settings.stack not in {entry["name"].rpartition("/")[2] for entry in known}:
        _call(root, cli, "stack", "init", settings.stack, "--no-select")


def _run(settings: Settings, root: Path, cli: Path, *argv: str) -> None:
    _call(root, cli, *argv, "--stack", settings.stack)


def _call(root: Path, cli: Path, *argv: str, capture: bool = False) -> str:
    variables = environment(root, os.environ)
    variables["PATH"] = f"{cli.parent}:{variables.get('PATH', '')}"  # its language host stands beside it
    command = (str(cli), *argv, "--non-interactive")
    done = subprocess.run(
        command, cwd=root, env=variables, stdout=subprocess.PIPE if capture else None, text=True, check=False
    )
    if done.returncode:
        raise PulumiFailed(
            f"pulumi {' '.join(argv)} exited {done.returncode}; it says why above. "
            "What it did is in its state: the same again goes on from there"
        )
    return done.stdout or ""
