"""The credit service over HTTP, asked from inside its own container: nothing of it is published."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from infra.settings import PORTS
from runbooks.core.command import Command

CURL = ("curl", "-fsS", "--max-time", "10")
HERE = f"http://localhost:{PORTS['api']}"


def ready(at: str = HERE) -> Command[str]:
    """Ask whether the service here, or one behind the gateway `at`, can use its database; it fails where none can."""
    return Command(argv=(*CURL, f"{at}/readyz"), within=12)


def post(path: str, key: str, body: Mapping[str, object]) -> Command[dict[str, Any]]:
    """Have the service carry out one request, once for its `key`, and return what it answers."""
    headers = ("--header", f"Idempotency-Key: {key}", "--header", "Content-Type: application/json")
    argv = (*CURL, *headers, "--data", "@-", f"{HERE}{path}")
    return Command(argv=argv, stdin=json.dumps(body), parse=json.loads, within=12)
