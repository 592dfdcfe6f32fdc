"""Patroni told to leave PostgreSQL alone for a while, and one member as its own Patroni sees it."""

from __future__ import annotations

import json
from dataclasses import dataclass

from runbooks.adapters.patroni import CA, CURL, OWN, REST, share
from runbooks.core.command import Command

STARTING = 300  # seconds that a restarted PostgreSQL may take to answer


@dataclass(frozen=True, kw_only=True)
class View:
    """A member as its own Patroni sees it: `paused`, it leaves PostgreSQL as it is. `timeline` is 0 where unknown."""

    state: str
    role: str
    paused: bool
    timeline: int
    wants_restart: bool

    @property
    def runs(self) -> bool:
        """Whether its PostgreSQL answers."""
        return self.state == "running"


def view() -> Command[View]:
    """Ask a member's Patroni, in its own container, how it sees itself; it says so also without a PostgreSQL."""
    argv = ("curl", "-sS", *CURL[3:], f"{REST}/patroni")  # 503 is an answer here
    return Command(argv=argv, parse=_view, within=8)


def pause() -> Command[str]:
    """Have every Patroni of the cluster leave PostgreSQL as it is; kept in etcd, so that a restart changes nothing."""
    return share({"pause": True})


def go_on() -> Command[str]:
    """Have Patroni govern again."""
    return share({"pause": None})


def restart() -> Command[str]:
    """Have Patroni start its PostgreSQL anew, with the settings that it keeps for it, and wait for that."""
    told = ("--request", "POST", "--data", "@-", f"{REST}/restart")
    argv = ("curl", "-sS", "--fail", "--max-time", str(STARTING + 30), "--cacert", CA, *OWN, *told)
    return Command(argv=argv, stdin=json.dumps({"timeout": STARTING}), within=STARTING + 40)


def _view(output: str) -> View:
    said = json.loads(output)
    return View(
        state=said["state"],
        role=said["role"],
        paused=bool(said.get("pause")),
        timeline=int(said.get("timeline", 0)),
        wants_restart=bool(said.get("pending_restart")),
    )
