"""A site that is cut off: what the other must be able to do alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from infra.settings import ON_LINK, Site
from runbooks.parts.repositories import cluster
from tests.drills.containers import inspect
from tests.drills.customer import pays
from tests.drills.stack import Stack, docker, until

pytestmark = pytest.mark.drill


@pytest.fixture
def alone(stack: Stack) -> Iterator[Site]:
    """The leader's site, while every name of the other is unknown and nothing of it can be reached."""
    link, leader = f"{stack.name}-link", cluster(stack.estate).leader.name
    here, there = sorted(stack.estate.settings.sites, key=lambda site: stack.container(site.name, "db") != leader)
    cut = [stack.container(there.name, role) for role in ON_LINK]
    for name in cut:
        docker("network", "disconnect", "--force", link, name)
    yield here
    stack.inv("up", within=200)
    assert all(link in found["NetworkSettings"]["Networks"] for found in inspect("container", cut).values())
    until(lambda: cluster(stack.estate).in_sync, 120, "in sync again")


def test_the_payment_path_starts_while_the_other_site_is_cut_off(stack: Stack, alone: Site) -> None:
    until(lambda: pays(stack.estate.settings, alone.name), 60, "payments without the other site")
    path = [stack.container(alone.name, role) for role in ("gateway", "route", "pooler", "api")]
    for name in path:
        docker("restart", name)
        until(lambda: pays(stack.estate.settings, alone.name), 60, f"payments after the restart of {name}")
    docker("stop", *path)
    docker("start", *path)
    until(lambda: pays(stack.estate.settings, alone.name), 60, "payments after the start of all")
