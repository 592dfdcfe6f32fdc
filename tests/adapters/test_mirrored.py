"""The reading of a mirrored object, its program really run against a store that has one object."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from runbooks.adapters import mirrored

CONTENT = b"age-encryption.org/v1\n\0\xff"
PUT_AT = datetime(2026, 6, 30, 12, 5, tzinfo=UTC)


class OneObject(BaseHTTPRequestHandler):
    """A store whose bucket has the object `kept`, for whoever signs with the right access key."""

    def do_GET(self) -> None:
        """Answer as S3 does."""
        signed = "Credential=ours/" in self.headers.get("Authorization", "")
        found = signed and self.path == "/unit-one-backup/kept"
        body = CONTENT if found else b"<Error><Code>NoSuchKey</Code><Message>not here</Message></Error>"
        self.send_response(200 if found else 404)
        self.send_header("Last-Modified", format_datetime(PUT_AT, usegmt=True))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing of it."""


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Path]:
    """A member's folder of configuration, with what it makes its bucket from."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), OneObject)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    own = {"endpoint": f"http://127.0.0.1:{server.server_port}", "bucket": "unit-one-backup", "ca": None}
    keys = {"access_key": "ours", "secret_key": "hidden"}
    (tmp_path / "first-boot.json").write_text(json.dumps(own | keys))
    yield tmp_path
    server.shutdown()
    server.server_close()


def run(key: str, config: Path) -> subprocess.CompletedProcess[str]:
    """Run what a member would, with this process's Python."""
    command = mirrored.read(key)
    assert command.argv == ("python3", "-", key)
    program = (command.stdin or "").replace("/config/", f"{config}/")
    argv = (sys.executable, *command.argv[1:])
    return subprocess.run(argv, input=program, capture_output=True, text=True, check=False, timeout=command.within)


def test_content_and_time_come_as_the_store_has_them(config: Path) -> None:
    said = run("kept", config)
    assert said.returncode == 0, said.stderr
    assert mirrored.read("kept").parse(said.stdout) == mirrored.Mirrored(PUT_AT, CONTENT)


def test_what_is_not_there_is_told_in_one_line_and_without_the_key(config: Path) -> None:
    said = run("lost", config)
    assert said.returncode == 1
    assert said.stderr.splitlines() == [said.stderr.strip()]
    assert said.stderr.startswith("unit-one-backup, lost: An error occurred (NoSuchKey)")
    assert "hidden" not in said.stderr
