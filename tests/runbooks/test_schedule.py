"""A job as a scheduler runs it: waited for, told of, and never taken for done because nobody ran it."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from infra.secrets import Secrets
from infra.sections import Schedule
from runbooks import schedule
from runbooks.core.errors import Exit, SeparuhError
from runbooks.core.evidence import Check
from runbooks.parts import evidence_files, kept_evidence
from runbooks.parts.freshness import Freshness, look
from tests.core.fake import SETTINGS
from tests.runbooks import fake
from tests.runbooks.fake import World
from tests.runbooks.test_evidence import EVIDENCE

FAILED = (Exit.USAGE, Exit.NOT_READY, Exit.FAILED, Exit.UNDONE)
INV = """#!/bin/sh
echo "$@" >> "$0.log"
echo "it went on"
code=$(head -n 1 "$0.codes")
sed -i 1d "$0.codes"
[ "$code" != wait ] || { trap 'echo undone; kill $!; exit 6' TERM; sleep 60 & touch "$0.waits"; wait; }
echo "it ended with $code" >&2
exit "$code"
"""
ENDED = datetime.fromtimestamp(1767225605, UTC)  # when the world's backups did


@dataclass
class Scheduled:
    """A checkout whose `inv` ends as it is told to, and the people who are told of it."""

    root: Path
    plan: Schedule
    heard: list[tuple[str, str]]  # path and body of each request to the webhook or the dead-man's service

    def ends(self, *codes: int | str) -> None:
        """Let the next calls of `inv` end so."""
        (self.root / "inv.codes").write_text("".join(f"{code}\n" for code in codes))

    @property
    def typed(self) -> list[str]:
        """What was typed."""
        return (self.root / "inv.log").read_text().splitlines()

    @property
    def told(self) -> str:
        """The notice that the command was given."""
        file = self.root / "told"
        return file.read_text() if file.exists() else ""


@pytest.fixture
def heard() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Yield the URL of a server, and what it has heard."""
    requests: list[tuple[str, str]] = []

    class Listener(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            requests.append((self.path, body))
            self.send_response(404 if "nowhere" in self.path else 200)
            self.end_headers()

        do_POST = do_GET  # noqa: N815 - the server's own names

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
            pass

    with HTTPServer(("127.0.0.1", 0), Listener) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", requests
        server.shutdown()


@pytest.fixture
def scheduled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heard: tuple[str, list[tuple[str, str]]]) -> Scheduled:
    """Return a checkout of which `schedule.run` runs the `inv`."""
    url, requests = heard
    (tmp_path / "inv").write_text(INV)
    (tmp_path / "inv").chmod(0o755)
    plan = Schedule(notify_command=("tee", str(tmp_path / "told")), notify_url=f"{url}/hook", ping_url=f"{url}/ping")
    made = Scheduled(tmp_path, plan, requests)
    for name in ("NOTIFY", "PING"):
        monkeypatch.delenv(f"SEPARUH_{name}_URL", raising=False)
        monkeypatch.delenv(f"SEPARUH_{name}_URL_FILE", raising=False)
    monkeypatch.setattr(schedule, "ROOT", tmp_path)
    monkeypatch.setattr(schedule, "AGAIN_SECONDS", 0.01)
    monkeypatch.setattr(schedule, "settings_of", lambda _: replace(SETTINGS, schedule=made.plan))
    return made


@pytest.mark.parametrize("code", [Exit.DONE, Exit.DEGRADED])
def test_of_a_job_that_ends_well_or_degraded_nobody_is_told(scheduled: Scheduled, code: int) -> None:
    scheduled.ends(code)
    assert schedule.run("unit", "backup") == code
    assert scheduled.typed == ["backup --yes --stack unit"]
    assert (scheduled.told, scheduled.heard) == ("", [])


@pytest.mark.parametrize("code", FAILED)
def test_of_a_failure_the_command_and_the_webhook_are_told(scheduled: Scheduled, code: int) -> None:
    scheduled.ends(code)
    assert schedule.run("unit", "drill") == code
    first = f"separuh: restore drill behind the backup of stack unit failed with exit {code}"
    assert scheduled.told == f"{first}\nit went on\nit ended with {code}"
    ((path, body),) = scheduled.heard
    notice = json.loads(body)
    assert (path, notice["text"], notice["exit"], notice["job"]) == ("/hook", scheduled.told, code, "drill")
    assert datetime.fromisoformat(notice["at"])


def test_a_lease_that_another_run_holds_is_waited_for(scheduled: Scheduled) -> None:
    scheduled.ends(Exit.LEASE_HELD, Exit.LEASE_HELD, Exit.DONE)
    assert schedule.run("unit", "backup") == Exit.DONE
    assert len(scheduled.typed) == 3
    assert scheduled.told == ""


def test_a_lease_that_is_held_for_too_long_is_a_failure(scheduled: Scheduled) -> None:
    scheduled.plan = replace(scheduled.plan, lease_wait_seconds=0)
    scheduled.ends(Exit.LEASE_HELD)
    assert schedule.run("unit", "backup") == Exit.LEASE_HELD
    assert "failed with exit 5" in scheduled.told


@pytest.mark.parametrize(("job", "code", "pinged"), [("check", 0, True), ("check", 6, False), ("backup", 0, False)])
def test_only_a_check_that_found_all_in_time_is_a_sign_of_life(
    scheduled: Scheduled, job: str, code: int, pinged: bool
) -> None:
    """The service alarms when it hears nothing: a backup that ends well says nothing of the drill."""
    scheduled.ends(code)
    schedule.run("unit", job)
    assert ("/ping" in dict(scheduled.heard)) is pinged


def test_a_job_that_is_told_to_end_ends_what_it_has_started(scheduled: Scheduled) -> None:
    scheduled.ends("wait")
    waits = scheduled.root / "inv.waits"

    def stop() -> None:
        while not waits.exists():
            threading.Event().wait(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop, daemon=True).start()
    assert schedule.run("unit", "backup") == Exit.FAILED
    assert "undone" in scheduled.told
    assert "interrupted by SIGTERM" in scheduled.told


def test_a_secret_url_comes_from_a_file_and_is_never_said(
    scheduled: Scheduled, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    secret = scheduled.root / "notify-url"
    secret.write_text(scheduled.plan.notify_url.replace("hook", "nowhere/s3cret") + "\n")
    monkeypatch.setenv("SEPARUH_NOTIFY_URL_FILE", str(secret))
    scheduled.ends(6)
    schedule.run("unit", "backup")
    assert [path for path, _ in scheduled.heard] == ["/nowhere/s3cret"]
    printed = "".join(capfd.readouterr())
    assert "the webhook answered 404" in printed
    assert "s3cret" not in printed + scheduled.told


def test_an_unknown_job_is_refused() -> None:
    with pytest.raises(SeparuhError, match="no job 'tidy': it is one of backup, drill, check"):
        schedule.run("test", "tidy")


@pytest.fixture
def world(sealed_for: Secrets) -> World:
    """Return a stack with a backup in each repository, and one proved drill an hour later."""
    world = World()
    for number, store in enumerate(world.stores.values(), start=1):
        store.s3.create_bucket(Bucket=store.bucket)
        world.backups.append({"repo": number, "label": "20260101-000000F", "kind": "full", "run": ""})
    leave(world, "20260101T010000Z", ENDED + timedelta(hours=1))
    return world


def leave(world: World, run: str, ended: datetime, failed: str = "") -> None:
    """Put the evidence of a drill into both stores."""
    checks = tuple(Check(name=c.name, outcome="failed" if c.name == failed else "passed") for c in EVIDENCE.checks)
    evidence = replace(EVIDENCE, run=run, stack="unit", ended_at=ended.isoformat(), checks=checks)
    for name, content in evidence_files.files(evidence, world.secrets).items():
        for store in world.stores.values():
            store.s3.put_object(Bucket=store.bucket, Key=f"{kept_evidence.PREFIX}{run}/{name}", Body=content)


def looked(world: World, hours: float) -> Freshness:
    """Look so many hours after the backup."""
    estate: Any = world
    return look(estate, ENDED + timedelta(hours=hours))


def test_what_is_in_time_is_no_problem(world: World) -> None:
    assert looked(world, 26) == Freshness(backups={"one": 26.0, "two": 26.0}, drill=25.0)


def test_what_is_late_is_named_with_what_was_agreed(world: World) -> None:
    assert looked(world, 26.5).problems == (
        "one: good backup: 26.5 h ago, agreed are 26 h",
        "two: good backup: 26.5 h ago, agreed are 26 h",
    )
    assert looked(world, 27.5).problems[-1] == "proved drill: 26.5 h ago, agreed are 26 h"


def test_a_drill_that_proved_nothing_does_not_count(world: World) -> None:
    leave(world, "20260101T200000Z", ENDED + timedelta(hours=20), failed="fingerprint")
    assert looked(world, 25).drill == 24.0
    leave(world, "20260101T210000Z", ENDED + timedelta(hours=21))
    assert looked(world, 25).drill == 4.0


def test_a_stack_that_never_made_any_alarms(sealed_for: Secrets) -> None:
    world = World()
    for store in world.stores.values():
        store.s3.create_bucket(Bucket=store.bucket)
    assert looked(world, 0).problems == (
        "one: good backup: none yet",
        "two: good backup: none yet",
        "proved drill: none yet",
    )


def test_evidence_that_the_stack_did_not_sign_alarms(world: World) -> None:
    key = f"{kept_evidence.PREFIX}20260101T010000Z/20260101T010000Z.json"
    store = world.stores["two"]
    held = store.s3.get_object(Bucket=store.bucket, Key=key)["Body"].read()
    store.s3.put_object(Bucket=store.bucket, Key=key, Body=held.replace(b"2026-01-01T01", b"2026-01-02T01"))
    (problem,) = looked(world, 2).problems
    assert (
        problem == f"two: the last drill cannot be found out: {key} is NOT what the stack signed: who has put it there?"
    )


def test_a_silent_store_is_named_and_the_other_speaks_for_the_drill(world: World) -> None:
    world.stores["one"].answers = False
    found = looked(world, 2)
    assert found.drill == 1.0
    assert found.problems == ("one: the last drill cannot be found out: no answer",)


def test_a_damaged_backup_is_no_good_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fake._listed
    monkeypatch.setattr(fake, "_listed", lambda backup: {**whole(backup), "error": backup["repo"] == 2})
    assert looked(world, 2).backups == {"one": 2.0, "two": None}
