"""The name service outside the estate, through boto3. Opened by the estate; carries out Request values."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from runbooks.core.cloud import Service, send
from runbooks.core.command import Request

REGION = "us-east-1"  # Route 53 has no other


class Names(Service):
    """Route 53, with the operator's own credentials, found as every tool of AWS finds them."""

    def __init__(self, plan_only: bool, console: Console) -> None:
        """Nothing is sent before the first request."""
        super().__init__("route53", plan_only, console)
        self._opened: Any = None

    def _send(self, request: Request[Any]) -> Any:
        return send(self._client, request, self.name)

    def _client(self) -> Any:
        import boto3  # noqa: PLC0415 - only where a name is configured
        from botocore.config import Config  # noqa: PLC0415

        if self._opened is None:
            config = Config(connect_timeout=3, read_timeout=10, retries={"total_max_attempts": 2, "mode": "standard"})
            self._opened = boto3.client("route53", region_name=REGION, config=config)
        return self._opened
