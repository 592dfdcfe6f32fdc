"""What a member says when it is asked over the network: whether anything at all, and how its standby's side stands."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late
from contextlib import suppress
from typing import Any, TypeVar

from dead_leader.verdict import Standby

T = TypeVar("T")
WITHIN = 1.0  # seconds for one answer, the resolution of its name included
SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"  # PostgreSQL answers it with one byte, before anything else


class Ask:
    """Asks in threads, since the resolution of a name knows no limit: one that is still at it is not asked again."""

    def __init__(self) -> None:
        """Nothing is under way."""
        self._under_way: dict[str, Future[Any]] = {}

    def begin(self, what: str, question: Callable[[], T]) -> tuple[Future[T], bool]:
        """Begin a question; return the answer to come, and whether it is this one's or that of one still under way."""
        before = self._under_way.get(what)
        if before is not None and not before.done():
            return before, False
        future: Future[T] = Future()
        self._under_way[what] = future
        threading.Thread(target=_answer, args=(future, question), daemon=True).start()
        return future, True


def _answer(future: Future[T], question: Callable[[], T]) -> None:
    try:
        future.set_result(question())
    except Exception as error:  # whoever asked is told
        future.set_exception(error)


def got(future: Future[T], seconds: float) -> T | None:
    """Return an answer that came within `seconds`, else None."""
    try:
        return future.result(timeout=max(0.0, seconds))
    except (Late, OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return None


def patroni_answers(address: str, context: ssl.SSLContext) -> bool:
    """Say whether Patroni says anything; a certificate that does not please is an answer too."""
    with suppress(ssl.SSLCertVerificationError, http.client.HTTPException):
        _get(address, "/liveness", "OPTIONS", context)
    return True


def postgres_answers(address: str) -> bool:
    """Say whether PostgreSQL says anything. A connection that is taken is nothing: the kernel takes it."""
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=WITHIN) as connection:
        connection.sendall(SSL_REQUEST)
        return bool(connection.recv(1))


def standby(name: str, address: str, context: ssl.SSLContext) -> Standby:
    """Ask a standby's Patroni, which asks its PostgreSQL."""
    return says(name, json.loads(_get(address, "/patroni", "GET", context)))


def says(name: str, said: Mapping[str, Any]) -> Standby:
    """Read Patroni's answer. What it does not say is taken as a reason to do nothing."""
    known = "xlog" in said  # else PostgreSQL could not be asked, and nothing is known of its receiver
    return Standby(
        name=name,
        healthy=known and said.get("state") == "running" and said.get("role") == "replica" and not said.get("pause"),
        synchronous=said.get("sync_standby") is True,
        streams=not known or said.get("replication_state") == "streaming",
    )


def _get(address: str, path: str, method: str, context: ssl.SSLContext) -> bytes:
    connection = http.client.HTTPSConnection(address, timeout=WITHIN, context=context)
    try:
        connection.request(method, path)
        return connection.getresponse().read()
    finally:
        connection.close()
