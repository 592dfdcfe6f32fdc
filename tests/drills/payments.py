"""One customer who pays all the while, with every answer and its time kept; slow enough to disturb nobody."""

from __future__ import annotations

import json
import secrets
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from infra.settings import Settings, published
from runbooks.adapters import credit
from runbooks.core.host import Estate
from runbooks.core.leader import leader

PAUSE = 0.3  # seconds between two payments
WITHIN = 12  # seconds for an answer; the service itself gives up after 8


@dataclass(frozen=True)
class Answer:
    """A payment: when it was sent, and answered, with which status (0: no answer at all) and what was said."""

    sent: datetime
    at: datetime
    key: str
    loan: int
    instalment: int
    amount: int
    status: int
    said: str

    @property
    def acknowledged(self) -> bool:
        """Whether the customer was told that it is paid."""
        return self.status in (200, 201)

    @property
    def line(self) -> str:
        """As an audit takes it."""
        return f"{self.key}\t{self.loan}\t{self.instalment}\t{self.amount}\n"


@dataclass
class Payer:
    """Pays one instalment after another through one site's gateway, each once and with a key of its own."""

    estate: Estate
    site: str
    run: str = field(default_factory=lambda: f"drill-{secrets.token_hex(4)}")
    answers: list[Answer] = field(default_factory=list)

    def __enter__(self) -> Payer:
        """Begin to pay."""
        self._over = threading.Event()
        self._payable = leader(self.estate).ask(credit.payable(self.estate.settings.cluster, 600))
        self._thread = threading.Thread(target=self._pay, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, once the payment under way is answered."""
        self._over.set()
        self._thread.join(2 * WITHIN)

    def acknowledged(self, since: datetime | None = None, until: datetime | None = None) -> list[Answer]:
        """Return the payments that were acknowledged, from `since` and before `until`."""
        return [
            answer
            for answer in self.answers
            if answer.acknowledged and (not since or answer.at >= since) and (not until or answer.at < until)
        ]

    def audit(self, answers: list[Answer]) -> credit.Audit:
        """Ask the database for each of these payments."""
        lines = "".join(answer.line for answer in answers)
        return leader(self.estate).ask(credit.audit(self.estate.settings.cluster, self.run, lines))

    def _pay(self) -> None:
        gateway = _gateway(self.estate.settings, self.site)
        for loan, instalment, amount in self._payable:
            if self._over.is_set():
                return
            key = f"{self.run}-{secrets.token_hex(6)}"
            sent = datetime.now(UTC)
            status, said = _post(gateway, key, {"loan": loan, "instalment": instalment, "amount": amount})
            self.answers.append(Answer(sent, datetime.now(UTC), key, loan, instalment, amount, status, said))
            time.sleep(PAUSE)


def _gateway(settings: Settings, site: str) -> str:
    place = settings.site(site)
    return f"http://{place.publish.address}:{published(place, 'gateway')}"


def _post(gateway: str, key: str, body: dict[str, Any]) -> tuple[int, str]:
    headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
    request = urllib.request.Request(f"{gateway}/payments", json.dumps(body).encode(), headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=WITHIN) as answer:  # noqa: S310 - http to a gateway
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read().decode()
    except OSError as failure:
        return 0, str(failure)
