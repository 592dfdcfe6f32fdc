"""Requests through boto3: sent, shown while planning, and their failure told as that of any command."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from rich.console import Console

from runbooks.core.command import Request, T
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


class Service(ABC):
    """What requests are sent to. An operation that fails raises CommandFailed whose code is the HTTP status."""

    def __init__(self, name: str, plan_only: bool, console: Console) -> None:
        """`plan_only` makes every `do` a line on `console` and nothing else."""
        self.name, self._plan_only, self._console = name, plan_only, console

    def ask(self, request: Request[T]) -> T:
        """Carry out an operation that only looks, and return what it parses to."""
        return request.parse(self._send(request))

    def do(self, request: Request[Any]) -> None:
        """Carry out an operation that changes; while planning only show it."""
        if self._plan_only:
            self._console.print(f"      {self.name} $ {' '.join(shown(request))}")
            return
        self._send(request)

    @abstractmethod
    def _send(self, request: Request[Any]) -> Any:
        """Return what the service answers."""
