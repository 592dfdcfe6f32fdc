"""One request through boto3: sent, shown, and its failure told as that of any command."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from runbooks.core.command import Request
from runbooks.core.errors import CommandFailed

HIDDEN = ("Body",)


def shown(request: Request[Any]) -> tuple[str, ...]:
    """Return the request in words, without what it carries."""
    return (request.operation, *(f"{key}={value}" for key, value in request.params.items() if key not in HIDDEN))


def send(
    client: Callable[[], Any],
    request: Request[Any],
    name: str,
    refused: Callable[[Any], str] = str,
    silent: Callable[[Any], str] = str,
) -> Any:
    """Return what the service called `name` answers to `client`, which is opened here.

    CommandFailed where it refuses, with the HTTP status as its code, or does not answer; `refused` and `silent` put
    either into words.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - a quarter of a second

    try:
        return getattr(client(), request.operation)(**request.params)
    except ClientError as error:
        code = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        raise CommandFailed(shown(request), name, code, refused(error)) from error
    except BotoCoreError as error:
        raise CommandFailed(shown(request), name, None, silent(error)) from error
