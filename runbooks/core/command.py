"""Values that say what to run; `host` alone carries them out. An adapter makes them and opens nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

T = TypeVar("T")


def _text(output: str) -> str:
    return output


@dataclass(frozen=True, kw_only=True)
class Command(Generic[T]):
    """One program in one container (or on a place itself).

    `stdin` may hold a secret: it is never shown, logged or journalled. `within` is a limit in seconds. `ok` are the
    exit codes that are answers; any other raises CommandFailed.
    """

    argv: tuple[str, ...]
    parse: Callable[[str], T] = _text  # type: ignore[assignment]
    stdin: str | None = None
    within: float = 60.0
    ok: tuple[int, ...] = (0,)


@dataclass(frozen=True, kw_only=True)
class Query(Generic[T]):
    """SQL for a member's PostgreSQL. `parse` receives the rows, each a tuple of text (None for NULL)."""

    sql: str
    parse: Callable[[list[tuple[str | None, ...]]], T]
    database: str = "postgres"
    within: float = 30.0


@dataclass(frozen=True, kw_only=True)
class Request(Generic[T]):
    """One S3 operation, named as boto3's client names it (`put_object`), with its parameters."""

    operation: str
    params: Mapping[str, Any] = field(default_factory=dict)
    parse: Callable[[Mapping[str, Any]], T]
    within: float = 30.0
