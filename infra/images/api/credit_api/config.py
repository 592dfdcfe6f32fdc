"""What one credit-api is told by the stack: the only reader of `/config/api.json`."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

PATH = Path("/config/api.json")
LEAST = 1.0  # seconds left to a statement that is sent: one that is cut costs its session, and others their turn


class ConfigError(Exception):
    """The config file cannot be used; the message says which key and why."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """`dsn` has no password; `password` stays out of every representation. Durations are seconds.

    `connections` is the most this process opens to its pooler. `deadline` bounds one request, all retries included.
    `schema` lets this container make the schema of an empty database at its first boot; any number of them may.
    """

    dsn: str
    password: str = field(repr=False)
    connections: int = 16
    deadline: float = 8.0
    port: int = 8000
    schema: bool = True


def read(path: Path = PATH) -> Config:
    """Read `path`; raise ConfigError for a missing file, an unknown key or one of the wrong type."""
    try:
        config = Config(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    if config.connections < 1 or config.deadline <= LEAST:
        raise ConfigError(f"{path}: connections must be at least 1, and deadline more than {LEAST:g} s")
    return config
