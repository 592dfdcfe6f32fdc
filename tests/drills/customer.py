"""A customer of the credit system, through one site's gateway."""

from __future__ import annotations

import json
import secrets
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.settings import Settings, published

PRINCIPAL, MONTHS = 1_200_000, 12  # rupiah
WITHIN = 15  # seconds for one answer, longer than the service's own deadline


@dataclass(frozen=True)
class Customer:
    """Who has one account and one loan. Every method raises OSError when the gateway does not answer with a success."""

    gateway: str
    account: int
    loan: int
    instalment: int

    @classmethod
    def at(cls, settings: Settings, site: str) -> Customer:
        """Open an account through `site`'s gateway, and take a loan."""
        place = settings.site(site)
        gateway = f"http://{place.publish.address}:{published(place, 'gateway')}"
        account = _ask(f"{gateway}/accounts", {"holder": "Sri Wahyuni", "city": "Bogor", "phone": "+62 811 0000 000"})
        wanted = {"account": account["id"], "product": "multiguna", "principal": PRINCIPAL, "months": MONTHS}
        loan = _ask(f"{gateway}/loans", wanted)
        return cls(gateway, account["id"], loan["id"], (PRINCIPAL + loan["interest"]) // MONTHS)

    def pay(self, number: int) -> None:
        """Pay instalment `number`, counted from 1."""
        what = {"loan": self.loan, "instalment": number, "amount": self.instalment}
        _ask(f"{self.gateway}/payments", what, {"Idempotency-Key": secrets.token_hex(8)})

    def owes(self) -> int:
        """Return what is outstanding of the principal, in rupiah."""
        return int(_ask(f"{self.gateway}/accounts/{self.account}")["outstanding"])


def _ask(url: str, body: Mapping[str, object] | None = None, headers: dict[str, str] | None = None) -> Any:
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, content, headers or {})  # noqa: S310 - http to a gateway
    with urllib.request.urlopen(request, timeout=WITHIN) as answer:  # noqa: S310
        return json.load(answer)


def pays(settings: Settings, site: str) -> bool:
    """Say whether a new customer of `site` gets a loan and can pay an instalment of it."""
    try:
        customer = Customer.at(settings, site)
        customer.pay(1)
        return customer.owes() == PRINCIPAL - PRINCIPAL // MONTHS
    except OSError:
        return False
