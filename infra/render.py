"""Config files of the members from their templates. A name that the caller forgot is an error, never an empty line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

# Nothing here is HTML: the readers are YAML, INI and HAProxy's parser.
_ENVIRONMENT = Environment(  # noqa: S701
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    undefined=StrictUndefined,
    keep_trailing_newline=True,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(template: str, **values: Any) -> str:
    """Return `infra/templates/<template>.j2` filled in."""
    return _ENVIRONMENT.get_template(f"{template}.j2").render(**values)
