"""The name service outside the estate, through boto3. Opened by the estate; carries out Request values."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from runbooks.core.cloud import send, shown
from runbooks.core.command import Request, T

REGION = "us-east-1"  # Route 53 has no other


class Names:
    """Route 53, with the operator's own credentials, found as every tool of AWS finds them."""

    name = "route53"

    def __init__(self, plan_only: bool, console: Console) -> None:
        """Nothing is sent before the first request."""
        self._plan_only, self._console = plan_only, console
        self._opened: Any = None

    def ask(self, request: Request[T]) -> T:
        """Carry out an operation that only looks, and return what it parses to. CommandFailed: it was refused."""
        return request.parse(self._send(request))

    def do(self, request: Request[Any]) -> None:
        """Carry out an operation that changes; while planning only show it."""
        if self._plan_only:
            self._console.print(f"      {self.name} $ {' '.join(shown(request))}", markup=False, highlight=False)
            return
        self._send(request)

    def _send(self, request: Request[Any]) -> Any:
        return send(self._client, request, self.name)

    def _client(self) -> Any:
        import boto3  # noqa: PLC0415 - only where a name is configured
        from botocore.config import Config  # noqa: PLC0415

        if self._opened is None:
            config = Config(connect_timeout=3, read_timeout=10, retries={"total_max_attempts": 2, "mode": "standard"})
            self._opened = boto3.client("route53", region_name=REGION, config=config)
        return self._opened
