"""One good backup, which every drill here restores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from infra.settings import Site
from runbooks.parts.repositories import cluster
from tests.drills.repositories import settled, sites_of
from tests.drills.stack import Stack


@dataclass(frozen=True)
class Good:
    """A backup that is proved: its label, the site in whose repository it is and where it is restored, the record."""

    site: Site
    label: str
    record: dict[str, Any]


@pytest.fixture(scope="session")
def good(stack: Stack) -> Good:
    """Have loans enough for a table of several chunks, back them up, and drill the backup undisturbed."""
    settled(stack)
    stack.inv("seed", "--loans", "2000", within=120)
    stack.inv("backup", "--kind", "full", within=300)
    made = stack.last_record()["figures"]["repositories"]
    leader = cluster(stack.estate).leader.name
    (site,) = [site for site in sites_of(stack) if stack.container(site.name, "db") != leader]
    stack.inv("restore-drill", within=300)
    return Good(site=site, label=made[site.name]["label"], record=stack.last_record())
