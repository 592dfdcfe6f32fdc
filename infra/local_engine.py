"""The Docker engine of the operator's own machine: the one that answers, else Debian's, installed and started."""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.machine import DEFAULT_SOCKET, MachineError, decide, engine_answers, observe
from infra.say import Say, say_on_stderr

PACKAGES = ("docker.io", "iptables", "containerd", "runc", "mmdebstrap", "openssh-client")
CLI_PACKAGE = "docker-cli"  # Debian 13 split it off; Debian 12 has no such package
LOG = Path("/var/log/separuh-dockerd.log")
PID_FILES = {"docker.pid": "dockerd", "docker/containerd/containerd.pid": "containerd"}
INSTALL_SECONDS = 600
START_SECONDS = 60
LOCK = Path("/run/separuh-machine.lock")  # of the machine, not of the checkout: two checkouts share one engine


def ensure(say: Say = say_on_stderr) -> str:
    """Return the address of a Docker engine that answers, installing and starting one where that is possible.

    Sets DOCKER_HOST for this process where the engine is not at Docker's default address, so that the `docker` command
    and the SDK find the same one. MachineError says what to do where no engine can be had.
    """
    facts = observe()
    if decide(facts):
        with _alone():
            for action in decide(observe()):  # looked at again: another run may have done it while this one waited
                ACTIONS[action](say)
        facts = observe()
    if facts.answers != DEFAULT_SOCKET:
        os.environ["DOCKER_HOST"] = facts.answers
    return facts.answers


@contextmanager
def _alone() -> Iterator[None]:
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _install(say: Say) -> None:
    """Install the engine's packages. MachineError with apt's last lines where that fails."""
    say("no Docker engine here: installing Debian's with apt-get")
    _run("apt-get", "update")
    known = subprocess.run(("apt-cache", "show", CLI_PACKAGE), capture_output=True, check=False).returncode == 0
    packages = (*PACKAGES, CLI_PACKAGE) if known else PACKAGES
    _run("apt-get", "install", "-y", "--no-install-recommends", *packages)


def _start_service(say: Say) -> None:
    """Start the engine as systemd's service, and wait until it answers."""
    say("starting the Docker engine with systemd")
    _run("systemctl", "start", "docker")
    _wait(lambda: "")


def _start(say: Say) -> None:
    """Start dockerd in a session of its own, so that it outlives this run and no Ctrl-C reaches it; wait for it.

    Containers with a restart policy come back with it.
    """
    say(f"starting the Docker engine (no systemd here; its log is {LOG})")
    forget_dead_engine()
    with LOG.open("ab") as log:
        engine = subprocess.Popen(
            ("dockerd",), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )

    def died() -> str:
        return "" if engine.poll() is None else LOG.read_text(errors="replace").strip().splitlines()[-1]

    _wait(died)


def forget_dead_engine(run: Path = Path("/var/run"), processes: Path = Path("/proc")) -> None:
    """Remove the pid files under `run` of an engine that was killed, where their numbers name no such process.

    dockerd takes any process of that number for itself, an unrelated or an unreaped one too, and refuses to start.
    """
    for pid_file, program in PID_FILES.items():
        try:
            executable = (processes / (run / pid_file).read_text().strip() / "exe").readlink()
        except FileNotFoundError:
            executable = Path()
        if executable.name != program:
            (run / pid_file).unlink(missing_ok=True)


def _wait(died: Callable[[], str]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not engine_answers():
        if reason := died():
            raise MachineError(f"the Docker engine stopped right after its start: {reason}")
        if time.monotonic() > deadline:
            raise MachineError(
                f"the Docker engine does not answer within {START_SECONDS} s: read {LOG}, then run again"
            )
        time.sleep(0.2)


def _run(*argv: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    line = " ".join(argv)
    try:
        done = subprocess.run(
            argv, env=environment, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise MachineError(f"{line} did not end within {INSTALL_SECONDS} s: run it by hand, then again") from None
    if done.returncode:
        tail = "\n".join(f"    {said}" for said in (done.stderr or done.stdout).strip().splitlines()[-5:])
        raise MachineError(f"{line} failed; mend what it says, then run again\n{tail}")


ACTIONS: dict[str, Callable[[Say], None]] = {"install": _install, "service": _start_service, "start": _start}
