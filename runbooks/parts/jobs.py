"""The jobs that a scheduler runs by itself, and the machine on which it does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Job:
    """One job: what is typed for it after `./inv`, and whether it runs once an hour, else once a night."""

    name: str
    title: str
    verb: tuple[str, ...]
    hourly: bool = False


JOBS = {
    job.name: job
    for job in (
        Job(name="backup", title="nightly backup", verb=("backup", "--yes")),
        Job(name="drill", title="restore drill behind the backup", verb=("restore-drill",)),
        Job(name="check", title="alarm on a missing backup or drill", verb=("schedule.check",), hourly=True),
    )
}


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where the jobs are to run: the checkout, whose they are, that user's identity, and the folder of secret URLs."""

    checkout: Path
    user: str
    identity: Path
    secrets: Path

    @property
    def files(self) -> dict[str, str]:
        """Return the variables that name files with secrets."""
        return {
            "SEPARUH_IDENTITY_FILE": str(self.identity),
            "SEPARUH_NOTIFY_URL_FILE": str(self.secrets / "notify-url"),
            "SEPARUH_PING_URL_FILE": str(self.secrets / "ping-url"),
        }
