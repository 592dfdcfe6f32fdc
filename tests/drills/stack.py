"""A real stack under drill: its verbs as a user types them, its containers by hand, its state asked directly."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from infra.secrets import open_secrets
from infra.settings import ROOT, load
from runbooks.core.host import Estate
from runbooks.core.lease import Holder, Lease
from runbooks.core.quorum import Etcd


class Stack:
    """The stack called `name`; every wait has a deadline and fails with what was last seen."""

    def __init__(self, name: str, root: Path = ROOT, **environment: str) -> None:
        """Open nothing yet. `root` is the clone whose stack it is; `environment` is for its `./inv`, beside our own."""
        self.name, self.root, self._environment = name, root, environment
        self._estate: Estate | None = None

    @property
    def estate(self) -> Estate:
        """The stack's members and stores, opened when first used."""
        if self._estate is None:
            settings = load(self.name, self.root)
            self._estate = Estate(settings, open_secrets(settings, self.root))
        return self._estate

    def close(self) -> None:
        """Close what was opened."""
        if self._estate is not None:
            self._estate.close()

    def begin(self, *verb: str) -> subprocess.Popen[str]:
        """Start `./inv VERB --stack …` in a session of its own, as another terminal would."""
        return subprocess.Popen(
            [str(self.root / "inv"), *verb, "--stack", self.name],
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            env={**os.environ, "NO_COLOR": "1", **self._environment},
        )

    def inv(self, *verb: str, code: int = 0, within: float = 120) -> str:
        """Run `./inv VERB` and return what it says; it must end with `code`."""
        process = self.begin(*verb)
        try:
            said, _ = process.communicate(timeout=within)
        except subprocess.TimeoutExpired:
            kill(process)
            raise
        assert process.returncode == code, f"inv {' '.join(verb)} ended with {process.returncode}:\n{said}"
        return said

    def journal(self) -> Path:
        """Return the journal of the newest run."""
        return max((self.root / ".separuh" / self.name / "journal").glob("*.jsonl"), key=lambda path: path.name)

    def reached(self, step: int, journals: int) -> bool:
        """Say whether a run newer than the first `journals` has come to its step number `step`."""
        found = sorted((self.root / ".separuh" / self.name / "journal").glob("*.jsonl"))
        if len(found) <= journals:
            return False
        events = [json.loads(line) for line in found[-1].read_text().splitlines() if line.endswith("}")]
        return any(event.get("step") == step and event["event"] in ("begin", "end") for event in events)

    def journals(self) -> int:
        """Return how many runs have a journal here."""
        return len(list((self.root / ".separuh" / self.name / "journal").glob("*.jsonl")))

    def last_record(self) -> dict[str, Any]:
        """Return the ledger's newest record."""
        newest = max((self.root / ".separuh" / self.name / "ledger").glob("*.json"), key=lambda path: path.name)
        return dict(json.loads(newest.read_text()))

    def leaseholder(self) -> Holder | None:
        """Return who holds the lease."""
        return Lease(Etcd(self.estate), self.name).holder()

    def dead_run(self) -> str | None:
        """Return the head of a run that waits to be resumed."""
        return Lease(Etcd(self.estate), self.name).read_head()

    def container(self, site: str, role: str) -> str:
        """Return a container's name."""
        return f"{self.name}-{site}-{role}-1"

    @contextmanager
    def stopped(self, site: str, role: str) -> Iterator[None]:
        """Keep a container stopped meanwhile."""
        docker("stop", "-t", "3", self.container(site, role))
        try:
            yield
        finally:
            docker("start", self.container(site, role))


def docker(*argv: str) -> str:
    """Run the docker command; any failure fails the drill."""
    return subprocess.run(["docker", *argv], check=True, capture_output=True, text=True).stdout


def kill(process: subprocess.Popen[str]) -> None:
    """End a runner as a power cut would: itself and its children on this machine, without a word."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def until(holds: Callable[[], bool], within: float, what: str) -> None:
    """Wait until `holds`, at most `within` seconds."""
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, f"not within {within:g} s: {what}"
        time.sleep(0.1)
