"""Word to whoever must know when nobody looks: of a job that failed, and to a service that waits for a sign of life."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib import request as http
from urllib.error import HTTPError, URLError

from infra.sections import Schedule
from runbooks.core.origin import now

WITHIN = 30.0  # seconds for one who is told


def tell(schedule: Schedule, notice: Mapping[str, Any]) -> list[str]:
    """Tell the command and the URL that the schedule names; return a line for each that did not take the notice.

    `notice["text"]` is for people. Where and when it was are added.
    """
    whole = {**notice, "host": socket.gethostname(), "at": now()}
    return [*_run(schedule.notify_command, str(notice["text"])), *_post(_url("NOTIFY", schedule.notify_url), whole)]


def ping(schedule: Schedule) -> list[str]:
    """Give the dead-man's service its sign of life; return a line if it did not take it."""
    url = _url("PING", schedule.ping_url)
    return _send(http.Request(url, method="GET"), "the dead-man's service") if url else []  # noqa: S310


def _url(what: str, configured: str) -> str:
    """Return a URL that is in a file or the environment, as it may be a secret, else the configured one."""
    named = os.environ.get(f"SEPARUH_{what}_URL_FILE", "")
    if named and Path(named).is_file():
        return Path(named).read_text().strip()
    return os.environ.get(f"SEPARUH_{what}_URL", "") or configured


def _run(command: tuple[str, ...], text: str) -> list[str]:
    if not command:
        return []
    try:
        ended = subprocess.run(command, input=text, text=True, timeout=WITHIN, capture_output=True, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return [f"{command[0]} was not told: {error}"]
    said = ended.stderr.strip()[-200:]
    return [f"{command[0]} did not take the notice: it exited {ended.returncode}: {said}"] if ended.returncode else []


def _post(url: str, notice: Mapping[str, Any]) -> list[str]:
    if not url:
        return []
    body, headers = json.dumps(notice).encode(), {"Content-Type": "application/json"}
    return _send(http.Request(url, body, headers, method="POST"), "the webhook")  # noqa: S310


def _send(request: http.Request, who: str) -> list[str]:
    """Send it; what is said of a failure does not repeat the URL, which may be a secret."""
    try:
        http.urlopen(request, timeout=WITHIN).close()  # noqa: S310
    except HTTPError as refusal:
        return [f"{who} answered {refusal.code}"]
    except (URLError, OSError, ValueError) as error:
        return [f"{who} was not reached: {getattr(error, 'reason', type(error).__name__)}"]
    return []
