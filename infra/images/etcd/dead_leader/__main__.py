"""Looks at the leader twice a second, for as long as the container lives, and acts at most once in a lease's life."""

from __future__ import annotations

import json
import ssl
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

from dead_leader import asking, etcd
from dead_leader.verdict import Dead, Look, Standby, View, holds, in_a_row, judge

CONFIG = Path("/config")
LOOKED = Path("/run/looked")  # for the health check
EACH = 0.5  # seconds between two looks' beginnings
AT_LEAST = 0.1  # seconds between one look's end and the next one's beginning


def now() -> float:
    """Return seconds of the clock that is never set, and that goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Detector:
    """What was seen so far. A process that was frozen, or is new, has seen nothing: it begins anew."""

    def __init__(self, config: dict[str, Any]) -> None:
        """`config`: cluster, etcd, members (name: {patroni, db}), silence_seconds, mark."""
        self._context = ssl.create_default_context(cafile=str(CONFIG / "ca.crt"))
        self._context.load_cert_chain(CONFIG / "tls.crt", CONFIG / "tls.key")
        self._etcd = etcd.Etcd(config["etcd"], f"/service/{config['cluster']}/", self._context)
        self._members: dict[str, dict[str, str]] = config["members"]
        self._silence, self._mark = float(config["silence_seconds"]), str(config["mark"])
        self._ask, self._looks, self._said = asking.Ask(), list[Look](), ""
        self._rests_until = 0.0

    def run(self) -> None:
        """Look and act, for ever."""
        while True:
            began = now()
            self.turn()
            LOOKED.touch()
            time.sleep(max(AT_LEAST, began + EACH - now()))

    def turn(self) -> None:
        """Look once, and act on all that was seen."""
        suspects = bool(self._looks) and not self._looks[-1].leader_answers
        look, mark = self._look(suspects)
        self._looks = [*in_a_row(self._looks), look]
        if look.view is None:
            return
        found = judge(self._looks, now(), self._silence)
        if isinstance(found, Dead) and now() < self._rests_until:
            found = f"{found.view.leader} is silent, and its key was taken a moment ago"
        if isinstance(found, Dead) and mark is not None:
            self._act(found, mark)
        elif isinstance(found, str):
            self._say(found)

    def _look(self, suspects: bool) -> tuple[Look, int | None]:
        """Look at etcd, then at the members: more closely where the leader was silent before."""
        began, mark = now(), None
        try:
            mark = self._etcd.mark(self._mark) if suspects else None
            view = self._etcd.view()
        except etcd.IN_THE_WAY as error:
            self._say(f"no majority of etcd answers: {error}")
            return Look(began=began, ended=now(), view=None, leader_answers=True, standby=None), None
        answers, standby = self._members_say(view, suspects)
        return Look(began=began, ended=now(), view=view, leader_answers=answers, standby=standby), mark

    def _members_say(self, view: View, suspects: bool) -> tuple[bool, Standby | None]:
        """Return whether the leader says anything, and what the one standby in sync says, where that is asked."""
        at = self._members.get(view.leader)
        if at is None:
            return True, None  # nobody leads, or one that we do not know: not ours to judge
        until = now() + asking.WITHIN
        patroni = self._begin(view.leader, "patroni", lambda: asking.patroni_answers(at["patroni"], self._context))
        if not suspects:
            if asking.got(patroni, until - now()) is not None:
                return True, None
            until = now() + asking.WITHIN
        postgres = self._begin(view.leader, "postgres", lambda: asking.postgres_answers(at["db"]))
        standby = self._ask_standby(view, until)
        return any(asking.got(part, until - now()) is True for part in (patroni, postgres)), standby

    def _begin(self, member: str, part: str, question: Callable[[], bool]) -> Future[bool]:
        """Ask; an answer that comes late, to an earlier look's question, is an answer too."""
        return self._ask.begin(f"{member} {part}", question)[0]

    def _ask_standby(self, view: View, until: float) -> Standby | None:
        """Return what a standby in sync says, asked now: what it says late is no longer true."""
        for name in sorted(view.synced - {view.leader}):
            if at := self._members.get(name):
                said, asked_now = self._ask.begin(name, partial(asking.standby, name, at["patroni"], self._context))
                return asking.got(said, until - now()) if asked_now else None
        return None

    def _act(self, found: Dead, mark: int) -> None:
        """Take the key away, in one transaction. Whatever comes of it, what was seen is used up."""
        leader, silent = found.view.leader, now() - self._looks[0].began
        self._looks = []
        try:
            if not holds(found.view, self._etcd.view()):
                self._say(f"{leader} came back a moment ago")
                return
            done = self._etcd.depose(found.view, (self._mark, mark))
        except etcd.IN_THE_WAY as error:
            self._say(f"{leader} is dead; whether etcd took its key away is not known: {error}")
            return
        self._rests_until = now() + found.view.granted
        seen = f"silent for {silent:.1f} s, its lease not renewed for {found.view.age:.0f} s or more"
        if done:
            self._say(f"took the key from {leader} ({seen}); {found.standby} is in sync, and gets nothing from it")
        else:
            self._say(f"left {leader} its key ({seen}): something was written meanwhile, or the verdict came too late")

    def _say(self, what: str) -> None:
        """Tell the container's log, once for each change; digits alone are no change."""
        core = "".join(character for character in what if not character.isdigit())
        if core != self._said:
            print(f"detector: {what}", file=sys.stderr, flush=True)
        self._said = core


if __name__ == "__main__":
    Detector(json.loads((CONFIG / "detector.json").read_text())).run()
