"""A name service that has both records of one name, or does not answer."""

from __future__ import annotations

from typing import Any

from runbooks.adapters import route53
from runbooks.core.command import Request
from runbooks.core.errors import CommandFailed


class FakeNames:
    """Both records of one name, by site. While it is `silent` every request fails."""

    def __init__(self, records: dict[str, dict[str, str]], silent: bool = False) -> None:
        """`records` say PRIMARY or SECONDARY in `Failover`."""
        self.records, self.silent = records, silent

    def ask(self, request: Request[Any]) -> Any:
        """Return the records, whatever is asked."""
        self._answer(request)
        return route53.Pair(self.records)

    def do(self, request: Request[Any]) -> None:
        """Take the records that are made anew."""
        self._answer(request)
        changes = request.params["ChangeBatch"]["Changes"]
        created = [change["ResourceRecordSet"] for change in changes if change["Action"] == "CREATE"]
        self.records = dict(zip(self.records, created, strict=True))

    def _answer(self, request: Request[Any]) -> None:
        if self.silent:
            raise CommandFailed((request.operation,), "route53", None, "could not connect")
