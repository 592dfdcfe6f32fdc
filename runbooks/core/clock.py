"""A runner whose clock is wrong: told from what others say. Nothing here is measured by the wall clock."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

SKEW = 300.0  # seconds between two clocks that are worth a word; S3 takes no signature that is 15 minutes off
OUT_OF_DATE = ("certificate is not yet valid", "certificate has expired")


def between(response: Mapping[str, Any]) -> str:
    """Return a line on how far this machine's clock is from a store's, by its boto3 `response`; "" where they agree.

    To a HEAD the store cannot say why it refuses, and the date of its answer is all there is.
    """
    told = response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    ahead = (datetime.now(UTC) - parsedate_to_datetime(told)).total_seconds() if told else 0.0
    if abs(ahead) < SKEW:
        return ""
    way = "ahead of" if ahead > 0 else "behind"
    return f"\nthis machine's clock is {abs(ahead) / 3600:.1f} h {way} the store's: set it right, then run again"


def blamed(error: str) -> str:
    """Return a line that asks for the clock where a certificate was refused for its dates; "" for another error."""
    if not any(words in error for words in OUT_OF_DATE):
        return ""
    return f"\nis this machine's clock right? It says {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
