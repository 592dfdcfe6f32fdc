"""What a cluster that is restored in earnest answers in a world in memory, and what becomes of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from runbooks.adapters import recovery, table
from runbooks.core.leader import WRITES

Row = tuple[str | None, ...]
COMMITTED = "2026-01-01T00:00:10.000000+00:00"  # transaction 742, behind the backups of the world
FORKED = "0/2000200"
FOLDER = "pgbackrest/archive/credit/17-1/"
COPIED = "public.payment_xid_742"
# How an undo is known once something broke: each of these is a step forward too, on another day.
BACK = (
    "RESUME credit",
    '"pause": null',
    'mv -T "$2" "$1"',
    "--silent --wait --timeout 60",
    "pgrep -x",
    "rm -f /data",
    "--command DROP TABLE IF EXISTS public.payment_xid_742",
)


@dataclass
class Restoring:
    """The members `one` (which leads) and `two`, their poolers, and what is archived of the timeline."""

    stack: str
    first: str = "one"  # the site that leads, but for a restore
    paused: bool = False
    timeline: int = 1
    held: bool = False  # recovery stands at its point
    listening: bool = True
    shut: set[str] = field(default_factory=set)
    stopped: set[str] = field(default_factory=set)
    off: set[str] = field(default_factory=set)
    brought: bool = False  # a table out of a backup
    kept: dict[str, str] = field(default_factory=dict)

    def row(self, name: str, sql: str) -> list[Row] | None:
        """Return what a member answers to a query, None to one that has nothing to do with a restore."""
        site, role = _of(name)
        if role == "drill":
            return [("3",)] if sql == table.rows("", COPIED, 1).sql else None
        if role != "db":
            return None
        leads = site == self.first and not self.held and site not in self.stopped
        rows: dict[str, Row] = {
            recovery.point().sql: ("t" if self.held else "f", FORKED, COMMITTED),
            recovery.timeline().sql: (str(self.timeline),),
            recovery.writing().sql: (f"{self.timeline:08X}0000000000000002",),
            recovery.committed_at(742).sql: (COMMITTED,),
            recovery.listening().sql: ("t" if self.listening and not self.held else "f",),
            WRITES.sql: ("t" if leads else "f",),
            table.exists("", COPIED).sql: ("t" if self.brought else "f",),
            table.rows("", COPIED, 1).sql: ("3",),
        }
        return [rows[sql]] if sql in rows else None

    def said(self, name: str, argv: Sequence[str]) -> str | None:
        """Return what a command says, None of one that has nothing to do with a restore."""
        site, _ = _of(name)
        shut = "1" if site in self.shut else "0"
        leader = {"name": f"{self.stack}-one-db-1", "role": "leader", "state": "running", "timeline": self.timeline}
        view = {"state": "running", "role": "primary", "pause": self.paused, "timeline": self.timeline}
        if argv[:3] == ("docker", "container", "inspect") and argv[-1].endswith("-db-1"):
            return json.dumps([{"Name": argv[-1], "State": {"Running": argv[-1] not in self.off, "Status": ""}}])
        if argv[-1].endswith("/cluster"):
            return json.dumps({"members": [leader]}) if self.off else None
        words = {
            ":8008/patroni": json.dumps(view),
            "SHOW DATABASES": f"name,paused,disabled\ncredit,{shut},{shut}\n",
            "AS writes": "writes\nt\n",
            "echo stopped": "stopped" if site in self.stopped else "",
            ".before-": "".join(f"1000\t/data/17/1.before-{run}\n" for run in self.kept.get(site, "").split()),
            ".history": f"1\t{FORKED}\tbefore transaction 742\n",
        }
        return next((words[end] for end in words if argv[-1].endswith(end)), None)

    def undoes(self, words: str) -> bool:
        """Say whether a change takes something back."""
        return any(each in words for each in BACK)

    def done(self, name: str, words: str, store: Any) -> None:
        """Change what a command changes; `store` is that of the site."""
        site, role = _of(name)
        changes: dict[str, Callable[[], object]] = {
            "KILL credit": lambda: self.shut.add(site),
            "ENABLE credit": lambda: self.shut.discard(site),
            '"pause": true': lambda: setattr(self, "paused", True),
            '"pause": null': lambda: setattr(self, "paused", False),
            '[ -e "$2" ] && exit 0': lambda: self.kept.update({site: words.rsplit(".before-", maxsplit=1)[-1]}),
            'mv -T "$2" "$1"': lambda: self.kept.pop(site, None),
            "rm -rf -- /data": lambda: self.kept.pop(site, None),
            "pg_promote(true, 120)": self._promote,
            ":8008/restart": lambda: setattr(self, "listening", True),
            "archive_status": lambda: self._archive_history(store),
            "pg_dump": lambda: setattr(self, "brought", True),
            "--command DROP TABLE": lambda: setattr(self, "brought", False),
            "docker stop": lambda: self.off.add(words.rpartition(" ")[2]),
            "docker start": lambda: self.off.discard(words.rpartition(" ")[2]),
            "SELECT pg_switch_wal()": lambda: self._archive(store),
            **(
                {"pg_ctl stop": lambda: self._stop(site), "pg_ctl start": lambda: self._start(site, words)}
                if role == "db"
                else {}
            ),
        }
        for told, change in changes.items():
            if told in words:
                change()
                return

    def _promote(self) -> None:
        self.held, self.timeline = False, self.timeline + 1

    def _stop(self, site: str) -> None:
        if self.paused:  # else Patroni starts it again
            self.stopped.add(site)
        self.held = False

    def _start(self, site: str, words: str) -> None:
        self.stopped.discard(site)
        self.held, self.listening = ".fetch" in words, ".fetch" not in words

    def _archive(self, store: Any) -> None:
        if self.timeline == 1:
            return  # what is archived of it is there
        segment = f"{self.timeline:08X}0000000000000002"
        key = f"{FOLDER}{segment[:16]}/{segment}-{'0' * 40}.zst"
        store.s3.put_object(Bucket=store.bucket, Key=key, Body=b"x")
        self._archive_history(store)

    def _archive_history(self, store: Any) -> None:
        store.s3.put_object(Bucket=store.bucket, Key=f"{FOLDER}{self.timeline:08X}.history", Body=b"x")


def _of(name: str) -> tuple[str, str]:
    """Return the site and the role of a container's name; of an engine's, its place."""
    parts = name.split("-")
    return (parts[1], parts[2]) if len(parts) > 2 else (name, "")
