"""What the operator's own machine has, and what to do about a Docker engine that it lacks.

What was seen is a value (`Facts`), what to do about it a pure function of it (`decide`); local_engine.py does it.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import docker
from docker.errors import DockerException

from infra.settings import ROOT, SettingsError

STATE = ROOT / ".separuh" / "machine"  # what is kept between runs on this machine; git ignores it
DEFAULT_SOCKET = "unix:///var/run/docker.sock"
ANSWER_SECONDS = 3


class MachineError(SettingsError):
    """This machine lacks something that cannot be put in place; the message says what, and what to do."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What was seen of the machine before anything is done about it."""

    asked: str = ""  # DOCKER_HOST
    answers: str = ""  # address of the engine that answers
    denied: str = ""  # address of an engine that this user may not talk to
    dockerd: bool = False
    root: bool = False
    debian: bool = False
    systemd: bool = False


def decide(facts: Facts) -> tuple[str, ...]:
    """Return what to do, in order, until an engine answers: of `install`, `service`, `start`.

    MachineError where it is not ours to do.
    """
    if facts.answers:
        return ()
    if facts.denied:
        raise MachineError(
            f"this user may not talk to the Docker engine at {facts.denied}: add the user to the group docker "
            "and log in again, or run as root"
        )
    if facts.asked:
        raise MachineError(
            f"DOCKER_HOST is {facts.asked}, and no Docker engine answers there: start that engine, or unset DOCKER_HOST"
        )
    start = "service" if facts.systemd else "start"
    if facts.dockerd and facts.root:
        return (start,)
    if facts.dockerd:
        raise MachineError("the Docker engine is installed but does not run: start it as root (systemctl start docker)")
    if facts.root and facts.debian:
        return ("install", start)
    who = "this is no Debian" if facts.root else "only root may install one"
    raise MachineError(f"no Docker engine answers, and {who}: install Docker Engine or Docker Desktop, then run again")


def observe() -> Facts:
    """Look at this machine; changes nothing."""
    asked = os.environ.get("DOCKER_HOST", "")
    sockets = (
        DEFAULT_SOCKET,
        f"unix://{os.environ.get('XDG_RUNTIME_DIR', '/nonexistent')}/docker.sock",  # rootless
        f"unix://{Path.home()}/.docker/run/docker.sock",  # Docker Desktop
    )
    candidates = (asked,) if asked else sockets
    return Facts(
        asked=asked,
        answers=next((url for url in candidates if engine_answers(url)), ""),
        denied=next((url for url in candidates if _denied(url)), ""),
        dockerd=shutil.which("dockerd") is not None,
        root=os.geteuid() == 0,
        debian=Path("/etc/debian_version").exists(),
        systemd=Path("/run/systemd/system").is_dir(),
    )


def engine_answers(url: str = DEFAULT_SOCKET) -> bool:
    """Return whether a Docker engine answers at `url` within ANSWER_SECONDS."""
    if url.startswith("unix://") and not Path(url.removeprefix("unix://")).exists():
        return False
    try:
        client = docker.DockerClient(base_url=url, timeout=ANSWER_SECONDS, use_ssh_client=True)
    except (DockerException, ValueError):
        return False
    try:
        return bool(client.ping())
    except (DockerException, OSError):
        return False
    finally:
        client.close()


def _denied(url: str) -> bool:
    path = Path(url.removeprefix("unix://"))
    return url.startswith("unix://") and path.exists() and not os.access(path, os.R_OK | os.W_OK)
