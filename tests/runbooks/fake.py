"""An estate in memory for runbooks: members that answer from a world, stores kept by moto, a break wherever asked."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import Any

import boto3
from botocore.exceptions import ClientError
from rich.console import Console

from infra.settings import Place, Settings, Site, container
from runbooks.adapters import ceph
from runbooks.adapters.pgbackrest import Backup, Kind
from runbooks.core.command import Command, Query, Request, T
from runbooks.core.errors import CommandFailed
from runbooks.core.hint import Screen
from tests.core.fake import SETTINGS
from tests.runbooks import fake_copy
from tests.runbooks.fake_copy import Row
from tests.runbooks.fake_failover import BACK, SWITCH, Stricken
from tests.runbooks.fake_fault import Falling
from tests.runbooks.fake_move import Moving
from tests.runbooks.fake_restore import Restoring
from tests.runbooks.fake_return import Returning

GIB = 1 << 30
SEGMENT = "000000010000000000000002"
LOANS = re.compile(r"loan WHERE id BETWEEN (\d+) AND (\d+)")
OPTION = re.compile(r"--(repo|type|annotation)=(.*)")

# Of 20 GiB a tenth is used, on a disk that has more.
ROOM = {
    "size": 20 * GIB,
    "available": 18 * GIB,
    "nearfull_ratio": 0.85,
    "full_ratio": 0.95,
    "state": ["exists", "up"],
    "not_taken": 18 * GIB,
    "disk_free": 100 * GIB,
}

# How an undo is known, which breaks nothing: it ends a backup or a gate, lets replay go on, or removes a copy.
UNDOING = (
    *("signal=-TERM", 'rm -rf "$1"; psql', "docker rm", "gate dismiss", "rm -f /spool"),
    *("delete table inet", "DROP SCHEMA IF EXISTS separuh_drill", "rm -f /tmp/both-sides"),
)


def first(table: Mapping[str, T], text: str) -> T | None:
    """Return what `table` has for the first of its words that are in `text`."""
    return next((value for words, value in table.items() if words in text), None)


def finished(kind: Kind, ended: datetime, repository: int = 1) -> Backup:
    """Return a backup as a repository lists it, of which only its kind, end and repository matter."""
    return Backup(
        repository=repository,
        label=f"{ended:%Y%m%d-%H%M%S}F",
        kind=kind,
        started_at=ended,
        ended_at=ended,
        database_bytes=1,
        repository_bytes=1,
        wal_start="",
        wal_stop="",
        damaged=False,
    )


class World:
    """What the members know and do. `broken`: the number of the first change that fails, and every one after it."""

    secrets: Any = None
    names: Any = None

    def __init__(self, settings: Settings = SETTINGS, broken: int | None = None, plan_only: bool = False) -> None:
        """Begin with empty stores and no backup."""
        self.settings, self.broken, self.plan_only = settings, broken, plan_only
        self.console: Console = Screen("lab", file=io.StringIO(), width=1000)
        self.backups: list[dict[str, Any]] = []
        self.drills: set[str] = set()
        self.restored = self.started = self.online = False  # the drills' copy
        self.cluster = Restoring(settings.stack)
        self.answers: dict[str, list[Row]] = {}  # what is answered to a query with these words in it
        self.alone = False  # no standby streams
        self.silent = ""  # a container that does not run
        self.fails = self.fails_at = ""  # the last word of a command that fails, and in the name of where it does
        self.loans = 0
        self.stricken: Stricken | None = None  # an estate of which something is lost
        self.moving = Moving(leads=settings.sites[0].name, follows=settings.sites[1].name)
        self.returning: Returning | None = None
        self.falling = Falling()
        self.broke = False
        self.done: list[str] = []
        self.undone: list[str] = []
        self.free = dict.fromkeys(("db", "backup"), 50 * GIB)
        self.rooms = {site.name: dict(ROOM) for site in settings.sites}  # what their stores say of themselves
        self.stores = {site.name: FakeStore(self, site) for site in settings.sites}

    def member(self, place: Place, role: str, n: int = 1) -> FakeMember:
        """Return one container."""
        return FakeMember(self, container(self.settings, place, role, n))

    def named(self, place: Place, name: str) -> FakeMember:
        """Return a container that is no member."""
        return FakeMember(self, name)

    def place(self, place: Place) -> FakeMember:
        """Return the machine of a place's engine."""
        return FakeMember(self, place.name)

    def store(self, site: Site) -> FakeStore:
        """Return the store of a site."""
        return self.stores[site.name]

    def change(self, place: str, words: Iterable[str]) -> bool:
        """Count a change; while planning print it and say that it does not happen. CommandFailed if it is to break."""
        line = f"{place} $ {' '.join(words)}"
        if self.plan_only:
            self.console.print(f"      {line}", markup=False, highlight=False)
            return False
        if self.fails and self.fails == list(words)[-1] and self.fails_at in place:
            raise CommandFailed(tuple(words), place, 1, "broken for the test")
        if self.broken is not None and len(self.done) >= self.broken:
            self.broke = True
            raise CommandFailed(tuple(words), place, 1, "broken for the test")
        self.done.append(line)
        return True


class FakeMember:
    """One container of the world."""

    def __init__(self, world: World, name: str) -> None:
        """Know the world."""
        self.world, self.name = world, name

    def ask(self, question: Command[T] | Query[T]) -> T:
        """Answer as a healthy member would."""
        if self.name == self.world.silent:
            raise CommandFailed(("docker",), self.name, 1, f"container {self.name} is not running")
        stricken = self.world.stricken
        if isinstance(question, Query):
            rows = stricken.row(self.name, question.sql) if stricken else None
            return question.parse(self._row(question.sql) if rows is None else rows)
        told = stricken.said(self.name, question.argv) if stricken else None
        return question.parse(self._said(question.argv) if told is None else told)

    def _row(self, sql: str) -> list[Row]:  # noqa: PLR0911 - one for each world
        if self.world.returning and (told := self.world.returning.row(sql)) is not None:
            return told
        if (told := self.world.cluster.row(self.name, sql)) is not None:
            return told
        if (told := self.world.falling.row(sql)) is not None:
            return told
        if (rows := first({**fake_copy.ANSWERS, **self.world.answers}, sql)) is not None:
            return rows
        if "pg_stat_archiver" in sql:
            return [("0", "0", "16777216", SEGMENT, "", "0", "t" if self._leads() else "f")]
        if wanted := LOANS.search(sql):
            return [(str(max(0, min(self.world.loans, int(wanted[2])) - int(wanted[1]) + 1)),)]
        if "UNION ALL" in sql:
            return [("loan", str(self.world.loans))]
        return [("t" if (self.world.started if "-drill-" in self.name else self._leads()) else "f",)]

    def _leads(self) -> bool:
        return f"-{self.world.moving.leads}-" in self.name

    def _said(self, argv: tuple[str, ...]) -> str:  # noqa: PLR0911 - a word for each question
        moving = self.world.moving
        if self.name in moving.silent:
            raise CommandFailed(argv, self.name, 1, f"Error response from daemon: Container {self.name} is not running")
        if self.world.returning and (told := self.world.returning.said(self.name, argv)) is not None:
            return told
        if self.world.falling.down and (told := self.world.falling.said(argv)) is not None:
            return told
        if (told := self.world.cluster.said(self.name, argv)) is not None:
            return told
        names = {site.name: container(self.world.settings, site, "db") for site in self.world.settings.sites}
        moving.alone = self.world.alone or bool(self.world.returning and not self.world.returning.well)
        if (told := moving.said(argv, self.name.split("-")[1:2], names)) is not None:
            return told
        if (told := self.world.falling.said(argv)) is not None:
            return told
        if argv[0] == "df":
            role = self.name.split("-")[-2]
            return f"1B-blocks Avail\n{100 * GIB} {self.world.free[role]}"
        if argv == ceph.room().argv:
            return json.dumps(self.world.rooms[self.name.split("-")[-3]])
        if argv[-1] == "info":
            return json.dumps([_stanza(self.world)])
        if argv[-1] == "version":
            return "pgBackRest 2.55.1"
        return fake_copy.said(argv, self.world.drills, self.world.restored, self.world.online)

    def do(self, command: Command[Any], feed: Iterable[bytes] = ()) -> None:
        """Change the world."""
        shown = command.argv[2] if command.argv[0] == "sh" else " ".join(command.argv)
        undoes = any(words in shown for words in UNDOING)
        if undoes and not self.world.plan_only:
            self.world.undone.append(f"{self.name} {command.argv[-1]}")
            if "docker rm" in shown:
                self.world.drills.clear()
                self.world.restored = self.world.started = False
            self._move(command)
            self.world.falling.done(command.argv, command.stdin or "")
            return
        words = " ".join(filter(None, (command.argv[0], command.stdin, *command.argv[1:])))
        stricken, returning = self.world.stricken, self.world.returning
        back = (returning or self.world.cluster).undoes(words) or (stricken and any(each in words for each in BACK))
        if self.world.broke and back:
            self.world.undone.append(f"{self.name} {command.argv[-1]}")
        elif not self.world.change(self.name, command.argv):
            return
        if stricken:
            stricken.done(command.argv)
            self.world.cluster.timeline = 2 if SWITCH in words else self.world.cluster.timeline
        site = next(
            (each for each in self.world.settings.sites if each.name in self.name), self.world.settings.sites[0]
        )
        self.world.cluster.done(self.name, words, self.world.store(site))
        if returning:
            returning.done(self.name, command.argv)
        elif command.argv[:2] == ("docker", "start"):
            self.world.drills.add(command.argv[-1])
            self.world.online = True
        self.world.online &= "disconnect" not in command.argv
        self.world.restored |= command.argv[-1] == "restore"
        self.world.started |= "pg_ctl start" in " ".join(command.argv)
        if command.argv[-1] == "backup":
            self._back_up({m[1]: m[2] for word in command.argv if (m := OPTION.fullmatch(word))})
        self._move(command)
        if self.world.falling.done(command.argv, command.stdin or ""):
            self.world.moving.move()
            self.world.cluster.first = self.world.moving.leads
        if loaded := LOANS.search(b"".join(feed).decode()):
            self.world.loans = int(loaded[2])

    def _move(self, command: Command[Any]) -> None:
        if command.argv[0] == "gate":
            self.world.moving.gate(self.name.split("-")[1], *command.argv[1:])
        elif command.argv[-1].endswith("/switchover"):
            if self.world.moving.refuses:
                raise CommandFailed(command.argv, self.name, 22, "switchover is not possible: no good candidates")
            self.world.moving.move()
            self.world.cluster.first = self.world.moving.leads

    def _back_up(self, option: dict[str, str]) -> None:
        number, run = int(option["repo"]), option["annotation"].removeprefix("run=")
        earlier = sum(backup["repo"] == number for backup in self.world.backups)
        label = f"2026010{2 * earlier + number}-000000F"  # whichever repository is quicker
        self.world.backups.append({"repo": number, "label": label, "kind": option["type"], "run": run})
        store = self.world.stores[self.world.settings.sites[number - 1].name]
        for key in (
            f"pgbackrest/backup/credit/{label}/backup.manifest",
            f"pgbackrest/archive/credit/17-1/{SEGMENT[:16]}/{SEGMENT}-{'0' * 40}.zst",
        ):
            store.s3.put_object(Bucket=store.bucket, Key=key, Body=b"x")


@cache  # a client takes as long to make as the rest of a world
def _client() -> Any:
    return boto3.client("s3", region_name="us-east-1", aws_access_key_id="k", aws_secret_access_key="s")  # noqa: S106 - moto takes any


class FakeStore:
    """One site's store, kept by moto. Moto lets COMPLIANCE locks be shortened; `holds` refuses that, as Ceph does."""

    def __init__(self, world: World, site: Site) -> None:
        """Make a client."""
        self.world, self.site = world, site
        self.holds, self.answers, self.refuses = True, True, False
        self.name, self.bucket = f"{world.settings.stack}-{site.name}-store", world.settings.bucket(site)
        self.s3 = _client()

    def ask(self, request: Request[T]) -> T:
        """Return the answer."""
        return request.parse(self._send(request))

    def do(self, request: Request[Any]) -> None:
        """Change the bucket."""
        shown = (f"{key}={value}" for key, value in request.params.items() if key != "Body")
        if self.world.change(self.name, (request.operation, *shown)):
            self._send(request)

    def _send(self, request: Request[Any]) -> Any:
        if not self.answers:
            raise CommandFailed((request.operation,), self.name, None, "no answer")
        if self.refuses:
            raise CommandFailed((request.operation,), self.name, 403, "Forbidden")
        if self.holds and request.operation == "put_object_retention":
            raise CommandFailed((request.operation,), self.name, 403, "(AccessDenied)")
        try:
            return getattr(self.s3, request.operation)(**request.params)
        except ClientError as error:
            code = error.response["ResponseMetadata"]["HTTPStatusCode"]
            raise CommandFailed((request.operation,), self.name, code, str(error)) from error


def _stanza(world: World) -> dict[str, Any]:
    return {
        "backup": [_listed(backup) for backup in world.backups],
        "repo": [{"key": n, "status": {"code": 0, "message": "ok"}} for n in (1, 2)],
        "status": {"code": 0, "lock": {"backup": {"held": False}}},
    }


def _listed(backup: dict[str, Any]) -> dict[str, Any]:
    return {
        "annotation": {"run": backup["run"]},
        "archive": {"start": SEGMENT, "stop": SEGMENT},
        "database": {"repo-key": backup["repo"]},
        "error": False,
        "info": {"size": 1000000, "repository": {"delta": 1000}},
        "label": backup["label"],
        "lsn": {"start": "0/2000010", "stop": "0/2000020"},
        "timestamp": {"start": 1767225600, "stop": 1767225605},
        "type": backup["kind"],
    }
