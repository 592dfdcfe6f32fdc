"""An estate in memory for runbooks: members that answer from a world, stores kept by moto, a break wherever asked."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import boto3
from botocore.exceptions import ClientError
from rich.console import Console

from infra.settings import Place, Settings, Site, container
from runbooks.adapters.pgbackrest import Backup, Kind
from runbooks.core.command import Command, Query, Request, T
from runbooks.core.errors import CommandFailed
from tests.core.fake import SETTINGS
from tests.runbooks import fake_copy
from tests.runbooks.fake_copy import Row

GIB = 1 << 30
SEGMENT = "000000010000000000000002"
LOANS = re.compile(r"loan WHERE id BETWEEN (\d+) AND (\d+)")
OPTION = re.compile(r"--(repo|type|annotation)=(.*)")

# How an undo is known, which breaks nothing: it ends a backup, lets replay go on, or removes a drill's container.
UNDOING = ("signal=-TERM", 'rm -rf "$1"; psql', "docker rm")


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

    def __init__(self, settings: Settings = SETTINGS, broken: int | None = None, plan_only: bool = False) -> None:
        """Begin with empty stores and no backup."""
        self.settings, self.broken, self.plan_only = settings, broken, plan_only
        self.console = Console(file=io.StringIO(), width=1000)
        self.backups: list[dict[str, Any]] = []
        self.drills: set[str] = set()
        self.restored = self.started = self.online = False  # the drills' copy
        self.answers: dict[str, list[Row]] = {}  # what is answered to a query with these words in it
        self.fails = ""  # the last word of a command that fails
        self.loans = 0
        self.broke = False
        self.done: list[str] = []
        self.undone: list[str] = []
        self.free = dict.fromkeys(("db", "backup", "store"), 50 * GIB)
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
        if self.fails and self.fails == list(words)[-1]:
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
        if isinstance(question, Query):
            return question.parse(self._row(question.sql))
        return question.parse(self._said(question.argv))

    def _row(self, sql: str) -> list[Row]:
        if (rows := first({**fake_copy.ANSWERS, **self.world.answers}, sql)) is not None:
            return rows
        if "pg_stat_archiver" in sql:
            return [("0", "0", "16777216", SEGMENT, "", "0")]
        if wanted := LOANS.search(sql):
            return [(str(max(0, min(self.world.loans, int(wanted[2])) - int(wanted[1]) + 1)),)]
        if "UNION ALL" in sql:
            return [("loan", str(self.world.loans))]
        return [("t" if "-one-" in self.name or ("-drill-" in self.name and self.world.started) else "f",)]

    def _said(self, argv: tuple[str, ...]) -> str:
        if argv[-1].endswith("/cluster"):
            one, two = (container(self.world.settings, site, "db") for site in self.world.settings.sites)
            leader = {"name": one, "role": "leader", "state": "running", "timeline": 1}
            standby = {"name": two, "role": "sync_standby", "state": "streaming", "timeline": 1, "lag": 0}
            return json.dumps({"members": [leader, standby]})
        if argv[0] == "df":
            role = self.name.split("-")[-2]
            return f"1B-blocks Avail\n{100 * GIB} {self.world.free[role]}"
        if argv[-1] == "info":
            return json.dumps([_stanza(self.world)])
        if argv[-1] == "version":
            return "pgBackRest 2.55.1"
        return fake_copy.said(argv, self.world.drills, self.world.restored, self.world.online)

    def do(self, command: Command[Any], feed: Iterable[bytes] = ()) -> None:
        """Change the world."""
        undoes = command.argv[0] == "sh" and any(words in command.argv[2] for words in UNDOING)
        if undoes and not self.world.plan_only:
            self.world.undone.append(f"{self.name} {command.argv[-1]}")
            if "docker rm" in command.argv[2]:
                self.world.drills.clear()
                self.world.restored = self.world.started = False
            return
        if not self.world.change(self.name, command.argv):
            return
        if command.argv[:2] == ("docker", "start"):
            self.world.drills.add(command.argv[-1])
            self.world.online = True
        self.world.online &= "disconnect" not in command.argv
        self.world.restored |= command.argv[-1] == "restore"
        self.world.started |= "pg_ctl start" in " ".join(command.argv)
        if command.argv[-1] == "backup":
            self._back_up({m[1]: m[2] for word in command.argv if (m := OPTION.fullmatch(word))})
        if loaded := LOANS.search(b"".join(feed).decode()):
            self.world.loans = int(loaded[2])

    def _back_up(self, option: dict[str, str]) -> None:
        number, run = int(option["repo"]), option["annotation"].removeprefix("run=")
        label = f"2026010{len(self.world.backups) + 1}-000000F"
        self.world.backups.append({"repo": number, "label": label, "kind": option["type"], "run": run})
        store = self.world.stores[self.world.settings.sites[number - 1].name]
        for key in (
            f"pgbackrest/backup/credit/{label}/backup.manifest",
            f"pgbackrest/archive/credit/17-1/{SEGMENT[:16]}/{SEGMENT}-{'0' * 40}.zst",
        ):
            store.s3.put_object(Bucket=store.bucket, Key=key, Body=b"x")


class FakeStore:
    """One site's store, kept by moto. Moto lets COMPLIANCE locks be shortened; `holds` refuses that, as Ceph does."""

    def __init__(self, world: World, site: Site) -> None:
        """Make a client."""
        self.world, self.site = world, site
        self.holds, self.answers, self.refuses = True, True, False
        self.name, self.bucket = f"{world.settings.stack}-{site.name}-store", world.settings.bucket(site)
        self.s3: Any = boto3.client("s3", region_name="us-east-1", aws_access_key_id="k", aws_secret_access_key="s")  # noqa: S106 - moto takes any

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
        "timestamp": {"start": 1767225600, "stop": 1767225605},
        "type": backup["kind"],
    }
