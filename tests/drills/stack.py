"""A real stack under drill: its verbs as a user types them, its containers by hand, its state asked directly."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from infra.secrets import open_secrets
from infra.settings import ROOT, load
from runbooks.core.host import Estate
from runbooks.core.lease import Holder, Lease
from runbooks.core.quorum import Etcd

COPIES = ("backup", "--no-fingerprint")  # for a drill of the copies alone: the fingerprint takes as long as they do


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

    def inv(self, *verb: str, code: int | Collection[int] = 0, within: float = 120) -> str:
        """Run `./inv VERB` and return what it says; it must end with `code`, or with one of them."""
        process = self.begin(*verb)
        try:
            said, _ = process.communicate(timeout=within)
        except subprocess.TimeoutExpired:
            kill(process)
            raise
        codes = (code,) if isinstance(code, int) else code
        assert process.returncode in codes, f"inv {' '.join(verb)} ended with {process.returncode}:\n{said}"
        return said

    def journals(self) -> int:
        """Return how many runs have a journal here."""
        return len(self._journals())

    def progress(self, since: int) -> list[tuple[str, int]]:
        """Return which steps began and ended ("begin" or "end", number) in the newest run after the first `since`."""
        if len(found := self._journals()) <= since:
            return []
        events = [json.loads(line) for line in found[-1].read_text().splitlines() if line.endswith("}")]
        return [(event["event"], event["step"]) for event in events if event["event"] in ("begin", "end")]

    def reached(self, step: int, journals: int) -> bool:
        """Say whether a run newer than the first `journals` has come to its step number `step`."""
        return any(number == step for _, number in self.progress(journals))

    def _journals(self) -> list[Path]:
        return sorted((self.root / ".separuh" / self.name / "journal").glob("*.jsonl"))

    def record(self, run_id: str) -> dict[str, Any]:
        """Return a run's record in the ledger here."""
        return dict(json.loads((self.root / ".separuh" / self.name / "ledger" / f"{run_id}.json").read_text()))

    def last_record(self) -> dict[str, Any]:
        """Return the ledger's newest record."""
        newest = max((self.root / ".separuh" / self.name / "ledger").glob("*.json"), key=lambda path: path.name)
        return self.record(newest.stem)

    def leaseholder(self) -> Holder | None:
        """Return who holds the lease."""
        return Lease(Etcd(self.estate), self.name).holder()

    def dead_run(self) -> str | None:
        """Return the head of a run that waits to be resumed."""
        return Lease(Etcd(self.estate), self.name).read_head()

    def end_lease(self) -> None:
        """Let a dead run's lease be over, as it is by itself after its TTL; drills that are not about that save it."""
        Etcd(self.estate).delete(f"/separuh/{self.name}/lease")

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
    """End a runner alone, without a word; the docker commands that it waits for live on."""
    with contextlib.suppress(ProcessLookupError):  # it was faster, and has ended
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def cut_power(process: subprocess.Popen[str]) -> None:
    """End a runner and all that it has started on this machine, as a power cut would."""
    process.send_signal(signal.SIGSTOP)  # so that it starts nothing more
    for child in _descendants(process.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    kill(process)


def _descendants(process: int) -> list[int]:
    """Return the numbers of all that a process has started, and of what those have."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # one that has ended meanwhile
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    found = [process]
    for parent in found:
        found += [child for child, its in parents.items() if its == parent]
    return found[1:]


def until(holds: Callable[[], bool], within: float, what: str) -> None:
    """Wait until `holds`, at most `within` seconds."""
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, f"not within {within:g} s: {what}"
        time.sleep(0.02)
