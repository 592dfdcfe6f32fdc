"""A store that is asked whether it answers: by a certificate of the stack, or not at all."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from infra.certificates import Leaf, issue, new_authority
from infra.settings import Publish, Settings
from runbooks.core.errors import CommandFailed
from runbooks.core.store import knock
from tests.core.fake import SETTINGS


class Refusing(BaseHTTPRequestHandler):
    """What a store says to a stranger: no; or, under `broken`, that it cannot say."""

    broken = False

    def do_HEAD(self) -> None:
        """Answer with a status alone."""
        self.send_response(503 if self.broken else 403)
        self.end_headers()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing of it."""


@pytest.fixture(scope="module")
def authority() -> Leaf:
    return new_authority("fake")


@pytest.fixture(params=["127.0.0.1"])
def settings(authority: Leaf, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Settings]:
    """A stack whose first store answers with a certificate for the address that is the fixture's parameter."""
    leaf = issue(authority, "store", frozenset({request.param}))
    for name, text in (("crt", leaf.certificate), ("key", leaf.key)):
        (tmp_path / name).write_text(text)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "crt", tmp_path / "key")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    here = replace(SETTINGS.sites[0], publish=Publish(store=server.server_port))
    yield replace(SETTINGS, sites=(here, SETTINGS.sites[1]))
    server.shutdown()
    server.server_close()


def test_a_store_that_turns_a_stranger_away_answers(settings: Settings, authority: Leaf) -> None:
    knock(settings, settings.sites[0], authority.certificate)


def test_one_that_is_broken_does_not(settings: Settings, authority: Leaf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Refusing, "broken", True)
    with pytest.raises(CommandFailed, match="exited 503"):
        knock(settings, settings.sites[0], authority.certificate)


def test_nor_does_one_with_another_stacks_certificate(settings: Settings) -> None:
    with pytest.raises(CommandFailed, match="certificate verify failed"):
        knock(settings, settings.sites[0], new_authority("other").certificate)


@pytest.mark.parametrize("settings", ["10.0.0.7"], indirect=True)
def test_nor_does_one_with_a_certificate_for_another_address(settings: Settings, authority: Leaf) -> None:
    with pytest.raises(CommandFailed, match="IP address mismatch"):
        knock(settings, settings.sites[0], authority.certificate)
