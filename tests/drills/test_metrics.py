"""Every role's metrics: read from a container on its place's own LAN, and not from outside or from the other site."""

from __future__ import annotations

import secrets
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from infra import pins
from infra.settings import ON_LINK, PORTS, Place, Settings, address, published
from tests.drills.containers import inspect
from tests.drills.stack import Stack, docker, until

pytestmark = pytest.mark.drill

# How a role is asked: scheme, a name of PORTS, and the start of a sample that no other role would show.
SHOWN = {
    "etcd": ("https", "etcd", "etcd_server_has_leader 1"),
    "db": ("https", "patroni", 'patroni_postgres_running{scope="credit"'),
    "backup": ("http", "metrics", "pgbackrest_repo_status{"),
    "pooler": ("http", "metrics", "pgbouncer_up 1"),
    "route": ("http", "metrics", 'haproxy_frontend_status{proxy="leader"'),
    "gateway": ("http", "metrics", 'haproxy_frontend_status{proxy="payments"'),
    "api": ("http", "api", "credit_api_statement_retries_total "),
    "store": ("http", "metrics", 'ceph_up{daemon="client.rgw"} 1'),
}
OVER_TLS = {"etcd", "db"}  # which answer on the link too, as they do for all else
OWN = ("--cacert", "/config/ca.crt", "--cert", "/config/tls.crt", "--key", "/config/tls.key")
NOBODY_LISTENS = 7  # the exit code of curl
COLLECTED = 90  # seconds; pgBackRest's are collected once a minute


@pytest.fixture(scope="module")
def askers(stack: Stack) -> Iterator[dict[str, str]]:
    """A container for each place that is on its LAN alone, and one that is on the link alone, with a certificate."""
    settings = stack.estate.settings
    etcd = stack.container(settings.witness.name, "etcd")
    found = inspect("container", [etcd])[etcd]["Config"]
    options = (
        "--rm",
        "--detach",
        f"--user={found['User']}",
        f"--volume={etcd}-config:/config:ro",
        "--entrypoint=sleep",
    )
    names = {at: f"asks-{secrets.token_hex(4)}" for at in (*(place.name for place in settings.places), "link")}
    try:
        for at, name in names.items():
            docker("run", *options, f"--network={stack.name}-{at}", f"--name={name}", found["Image"], "600")
        yield names
    finally:
        docker("rm", "--force", *names.values())


def hosts(settings: Settings) -> Iterator[tuple[Place, str, str]]:
    """Yield place, role and declared name on the LAN of every member."""
    places = {place.name: place for place in settings.places}
    for name, role in pins.members(settings).items():
        _, at, _, n = name.split("-")
        yield places[at], role, address(settings, places[at], places[at], role, int(n)).partition(":")[0]


def read(asker: str, role: str, host: str) -> subprocess.CompletedProcess[str]:
    """Ask a member for its metrics from inside a container; a failure is an answer here."""
    scheme, port, _ = SHOWN[role]
    command = ["docker", "exec", asker, "curl", "-fsS", "-m", "10", *OWN, f"{scheme}://{host}:{PORTS[port]}/metrics"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_every_member_shows_its_metrics_on_its_own_lan(stack: Stack, askers: dict[str, str]) -> None:
    for place, role, host in hosts(stack.estate.settings):

        def shown(asker: str = askers[place.name], role: str = role, host: str = host) -> bool:
            return any(line.startswith(SHOWN[role][2]) for line in read(asker, role, host).stdout.splitlines())

        until(shown, COLLECTED, f"{host} shows {SHOWN[role][2]}")


def test_the_link_is_not_the_way_to_them(stack: Stack, askers: dict[str, str]) -> None:
    for _, role, host in hosts(stack.estate.settings):
        if role in ON_LINK:
            asked = read(askers["link"], role, f"{host}.link")
            assert asked.returncode == (0 if role in OVER_TLS else NOBODY_LISTENS), (host, asked.stderr)


@pytest.mark.parametrize("path", ["/metrics", "/%6detrics", "/metrics?x"])
def test_what_is_published_does_not_show_them(stack: Stack, path: str) -> None:
    """Payments and S3 alone are published: test_hardening."""
    for site in stack.estate.settings.sites:
        assert status(stack, site, "gateway", "/readyz") == 200
        assert status(stack, site, "gateway", path) == 404
        assert status(stack, site, "store", path) in (403, 404)


def status(stack: Stack, site: Place, role: str, path: str) -> int:
    """Return the status with which a published role answers from outside."""
    at = f"{'https' if role == 'store' else 'http'}://{site.publish.address}:{published(site, role)}{path}"
    trusting = ssl.create_default_context(cadata=stack.estate.secrets.ca)
    try:
        with urllib.request.urlopen(at, timeout=5, context=trusting) as answer:  # noqa: S310 - a published port of ours
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
