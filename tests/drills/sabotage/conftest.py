"""One good backup, which every drill here restores while customers pay."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from infra.settings import Site
from runbooks.parts.repositories import cluster
from runbooks.pay import audited, customers
from tests.drills.repositories import settled, sites_of
from tests.drills.stack import Stack

RATE = 100.0  # payments a second
AT_MOST = 300.0  # seconds of payments there must be instalments for, longer than any drill here


@dataclass(frozen=True)
class Good:
    """A backup that is proved: its label, the site in whose repository it is and where it is restored, the record."""

    site: Site
    label: str
    record: dict[str, Any]


@pytest.fixture(scope="session")
def good(stack: Stack) -> Good:
    """Have loans enough to be paid in every drill, back them up, and drill the backup undisturbed."""
    settled(stack)
    stack.inv("seed", "--loans", "30000", within=120)
    stack.inv("backup", "--kind", "full", within=300)
    made = stack.last_record()["figures"]["repositories"]
    leader = cluster(stack.estate).leader.name
    (site,) = [site for site in sites_of(stack) if stack.container(site.name, "db") != leader]
    stack.inv("restore-drill", within=300)
    return Good(site=site, label=made[site.name]["label"], record=stack.last_record())


@pytest.fixture(autouse=True)
def customers_notice_nothing(request: pytest.FixtureRequest, stack: Stack, good: Good) -> Iterator[None]:
    """Pay through both gateways meanwhile: nothing fails, and all that was acknowledged is there.

    Where a drill moves the leader with no word to the poolers (mark `leader_moves`), requests fail, and none is lost.
    """
    with customers(stack.estate, RATE, AT_MOST) as probe:
        yield
        figures = probe.stop()
    audit = audited(stack.estate, probe)
    assert audit.holds, audit
    assert audit.acknowledged == figures.acknowledged > 0
    if not request.node.get_closest_marker("leader_moves"):
        reasons = {name: seen.reasons for name, seen in figures.gateways.items()}
        assert figures.failed_requests == 0, reasons
