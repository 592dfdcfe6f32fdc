"""Docker clients of a stack's places: the local socket, or a remote one forwarded by the system's ssh client.

ssh itself checks the host's key, so that a place is trusted exactly as far as the operator's known_hosts says.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import docker
import requests
from docker.errors import DockerException

from infra import local_engine
from infra.machine import MachineError
from infra.settings import Settings, SettingsError

CONNECT_SECONDS = 2
ANSWER_SECONDS = 5
REQUEST_SECONDS = 120
REMOTE_SOCKET = "/var/run/docker.sock"


class EngineUnreachable(SettingsError):
    """No Docker engine answers at a place; the message says which, what was tried, and what to do."""

    def __init__(self, place: str, engine: str, reason: str, advice: str) -> None:
        """`reason` is what the client said, in its last line."""
        self.place = place
        super().__init__(f"{place}: the Docker engine at {engine} does not answer: {reason}. {advice}")


class Engines:
    """Opens each place's engine when it is first asked for, and closes all at the end (a context manager)."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is opened yet."""
        self.settings = settings
        self._clients: dict[str, docker.DockerClient] = {}
        self._forwards: list[subprocess.Popen[str]] = []
        self._folder = tempfile.TemporaryDirectory(prefix="separuh-")
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        """Return the engines."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close every connection."""
        self.close()

    @property
    def places(self) -> tuple[str, ...]:
        """The names of the stack's places, sites first."""
        return tuple(place.name for place in self.settings.places)

    def engine(self, place: str) -> str:
        """Return `local` or `ssh://…`; a name that is no place's stands for all of them, where they share an engine."""
        known = {known.name: known.engine for known in self.settings.places}
        return known.get(place, self.settings.witness.engine)

    def client(self, place: str) -> docker.DockerClient:
        """Return the client of `place`, opened at most once; EngineUnreachable within ANSWER_SECONDS.

        A local engine that is missing or dead is installed or started first, where this machine allows it.
        """
        engine = self.engine(place)
        with self._lock:
            if engine not in self._clients:
                self._clients[engine] = self._open(place, engine)
            return self._clients[engine]

    def answering(self, warn: Callable[[str], None]) -> tuple[str, ...]:
        """Return the places whose engine answers; each other one is a line for `warn`."""
        places = []
        for place in self.places:
            try:
                self.client(place)
                places.append(place)
            except EngineUnreachable as error:
                warn(str(error))
        return tuple(places)

    def close(self) -> None:
        """Close the clients, end the ssh processes, remove the forwarded sockets."""
        for client in self._clients.values():
            client.close()
        for forward in self._forwards:
            forward.terminate()
            forward.wait()
        self._clients.clear()
        self._forwards.clear()
        self._folder.cleanup()

    def _open(self, place: str, engine: str) -> docker.DockerClient:
        try:
            if engine == "local":
                local_engine.ensure()
                client = docker.from_env(timeout=ANSWER_SECONDS, version="auto")
            else:
                socket = self._forward(place, engine)
                client = docker.DockerClient(f"unix://{socket}", timeout=ANSWER_SECONDS, version="auto")
        except MachineError as error:
            raise EngineUnreachable(place, engine, str(error), "Then run this again.") from None
        except (DockerException, requests.RequestException) as error:
            advice = "Start it, or set DOCKER_HOST." if engine == "local" else _advice(place)
            raise EngineUnreachable(place, engine, _last_line(str(error)), advice) from error
        client.api.timeout = REQUEST_SECONDS
        return client

    def _forward(self, place: str, engine: str) -> Path:
        """Forward the engine's socket to one of our own; return its path once ssh listens on it."""
        if shutil.which("ssh") is None:
            raise EngineUnreachable(place, engine, "this machine has no ssh", "Install OpenSSH's client.")
        socket = Path(self._folder.name) / f"{place}.sock"
        argv = _forward_argv(self.settings, engine, socket)
        ssh = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self._forwards.append(ssh)
        deadline = time.monotonic() + ANSWER_SECONDS
        while not socket.exists():
            try:
                ssh.wait(timeout=0.02)
            except subprocess.TimeoutExpired:
                if time.monotonic() < deadline:
                    continue
                raise EngineUnreachable(place, engine, "no answer in time", _advice(place)) from None
            said = ssh.stderr.read() if ssh.stderr else ""
            raise EngineUnreachable(place, engine, _last_line(said), _advice(place))
        return socket


def _forward_argv(settings: Settings, engine: str, socket: Path) -> list[str]:
    url = urlsplit(engine)
    options = {
        "BatchMode": "yes",
        "ConnectTimeout": str(CONNECT_SECONDS),
        "ExitOnForwardFailure": "yes",
        "ServerAliveInterval": "5",
        "ServerAliveCountMax": "2",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": str(Path(settings.ssh.known_hosts).expanduser()),
    }
    argv = ["ssh", "-N", "-i", str(Path(settings.ssh.identity_file).expanduser()), "-p", str(url.port or 22)]
    argv += [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
    return [*argv, "-L", f"{socket}:{REMOTE_SOCKET}", f"{url.username}@{url.hostname}"]


def _last_line(said: str) -> str:
    lines = said.strip().splitlines()
    return lines[-1].rstrip(".") if lines else "it said nothing"


def _advice(place: str) -> str:
    return f"Check the host and ssh to it by hand; work goes on without {place} by `up --site` of a living place."
