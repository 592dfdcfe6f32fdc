"""Every port between places, and between the roles of a site that carry payments: nothing in plain text, no wrong name.

Asked from inside the containers that ask in earnest, under the names that the config gives them.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from infra.settings import PORTS, address
from runbooks.adapters.patroni import Cluster
from runbooks.parts.repositories import cluster
from tests.drills.stack import Stack, docker

pytestmark = pytest.mark.drill

# Which role is asked by which. `leader` is PostgreSQL through the route; like the pooler it is asked with a psql.
ASKED_BY = {
    "etcd": "etcd",
    "etcd_peer": "etcd",
    "db": "db",
    "patroni": "route",
    "backup": "backup",
    "store": "backup",
    "pooler": "db",
    "leader": "db",
}
POSTGRESQL = ("db", "pooler", "leader")
HTTP = ("etcd", "etcd_peer", "patroni", "store")
OWN = ("--cert", "/config/tls.crt", "--key", "/config/tls.key")
GREETING = '{"name":"pgBackRest"'


class Door(NamedTuple):
    """A port, and a container that goes through it."""

    asker: str
    host: str
    port: str

    @property
    def at(self) -> str:
        """The address as a URL has it."""
        return f"{self.host}:{self.port}"


def doors(stack: Stack, role: str) -> Iterator[Door]:
    """Yield each way in which `role` is reached: from every other place that asks it, or from its own site."""
    settings, asked_by = stack.estate.settings, ASKED_BY[role]
    if role in ("pooler", "leader"):
        for site in settings.sites:
            host = f"leader:{PORTS['route']}" if role == "leader" else address(settings, site, site, role)
            yield Door(stack.container(site.name, asked_by), *host.split(":"))
        return
    places = settings.places if asked_by == "etcd" else settings.sites
    for asker in places:
        for place in places:
            if place != asker:
                host, _, port = address(settings, asker, place, role).rpartition(":")
                yield Door(stack.container(asker.name, asked_by), host, port)


def inside(container: str, *argv: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run a program in a container; a failure is an answer here."""
    return subprocess.run(
        ["docker", "exec", "-i", container, "timeout", "20", *argv],
        input=stdin,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )


def handshake(door: Door, role: str, name: str) -> subprocess.CompletedProcess[str]:
    """Shake hands as a client that verifies in full and expects `name`."""
    start = ("-starttls", "postgres") if role in POSTGRESQL else ()
    own = () if role in POSTGRESQL else ("-cert", "/config/tls.crt", "-key", "/config/tls.key")
    verify = ("-CAfile", "/config/ca.crt", "-verify_return_error", "-verify_hostname", name)
    return inside(door.asker, "openssl", "s_client", "-brief", "-connect", door.at, *start, *own, *verify)


def curl(door: Door, path: str, *options: str, scheme: str = "https") -> subprocess.CompletedProcess[str]:
    """Ask over HTTP; anything but a success is a failure."""
    url = f"{scheme}://{door.at}{path}"
    return inside(door.asker, "curl", "-fsS", "--http1.1", "-m", "5", "--cacert", "/config/ca.crt", *options, url)


def psql(door: Door, sslmode: str) -> subprocess.CompletedProcess[str]:
    """Ask PostgreSQL for a session of the workload's role, without its password."""
    to = f"host={door.host} port={door.port} dbname=credit user=credit connect_timeout=5"
    return inside(door.asker, "psql", "-w", "-c", "SELECT 1", f"{to} sslmode={sslmode} sslrootcert=/config/ca.crt")


@pytest.mark.parametrize("role", ASKED_BY)
def test_its_certificate_is_of_the_stack_and_for_the_name_in_use(stack: Stack, role: str) -> None:
    for door in doors(stack, role):
        shaken = handshake(door, role, door.host)
        assert shaken.returncode == 0, (door, shaken.stderr)
        assert f"Verified peername: {door.host}" in shaken.stderr, (door, shaken.stderr)
        assert handshake(door, role, "somebody.else").returncode != 0, door


@pytest.mark.parametrize("role", HTTP)
def test_plain_http_is_refused(stack: Stack, role: str) -> None:
    path = {"etcd_peer": "/version", "store": "/"}.get(role, "/health")
    for door in doors(stack, role):
        assert curl(door, path, *OWN).returncode == 0, door
        assert curl(door, path, scheme="http").returncode != 0, door


@pytest.mark.parametrize("role", POSTGRESQL)
def test_plain_postgresql_is_refused(stack: Stack, role: str) -> None:
    for door in doors(stack, role):
        assert "no password supplied" in psql(door, "verify-full").stderr, door
        refusal = "SSL required" if role == "pooler" else "no encryption"
        assert refusal in psql(door, "disable").stderr, door


def test_plain_pgbackrest_is_refused(stack: Stack) -> None:
    for door in doors(stack, "backup"):
        listen = f"exec 3<>/dev/tcp/{door.host}/{door.port} && echo >&3 && timeout 3 cat <&3"
        assert GREETING not in inside(door.asker, "bash", "-c", listen).stdout, door


@pytest.mark.parametrize(("role", "path"), [("etcd", "/health"), ("etcd_peer", "/version")])
def test_etcd_refuses_who_has_no_certificate(stack: Stack, role: str, path: str) -> None:
    for door in doors(stack, role):
        assert curl(door, path, *OWN).returncode == 0, door
        refused = curl(door, path)
        assert refused.returncode != 0, door
        assert "certificate required" in refused.stderr, (door, refused.stderr)


def test_patroni_lets_nobody_change_anything_without_a_certificate(stack: Stack) -> None:
    for door in doors(stack, "patroni"):
        assert curl(door, "/reload", "-X", "POST", *OWN).returncode == 0, door
        refused = curl(door, "/reload", "-X", "POST")
        assert "403" in refused.stderr, (door, refused)


def test_pgbackrest_reads_no_request_without_a_certificate(stack: Stack) -> None:
    """Who has none is greeted, so that `server-ping` works, and cut off; who has one is answered."""
    ask = "(sleep 1; echo anything; sleep 2) | openssl s_client -quiet -connect {} -CAfile /config/ca.crt {}"
    for door in doors(stack, "backup"):
        known = inside(door.asker, "sh", "-c", ask.format(door.at, "-cert /config/tls.crt -key /config/tls.key"))
        assert "protocolServerRequest" in known.stdout, (door, known)
        unknown = inside(door.asker, "sh", "-c", ask.format(door.at, ""))
        assert unknown.stdout.strip().startswith(GREETING), (door, unknown)
        assert unknown.stdout.count("\n") == 1, (door, unknown)


def test_pgbackrest_serves_nobody_but_the_other_sites_own(stack: Stack) -> None:
    """A certificate of the stack is not enough: the database's is turned away by pgBackRest itself."""
    copy = "umask 077; cat /config/pgbackrest.conf - > /tmp/other.conf"
    check = "pgbackrest --config=/tmp/other.conf --stanza=credit --log-level-console=warn check; rm /tmp/other.conf"
    for door in doors(stack, "backup"):
        values = {"host": door.host, "host-port": door.port, "host-type": "tls", "path": "/data/17/1"}
        values |= {"host-ca-file": "/config/ca.crt", "host-cert-file": "/config/tls.crt"}
        values["host-key-file"] = "/config/tls.key"
        peer = "".join(f"pg2-{key}={value}\n" for key, value in values.items())
        other = door.asker.replace("-backup-", "-db-")
        assert "access denied" in inside(other, "sh", "-c", f"{copy}; {check}", stdin=peer).stdout, door


def test_no_rule_and_no_session_of_postgresql_is_plain(stack: Stack) -> None:
    seen: Cluster = cluster(stack.estate)
    for member in seen.members:
        rules = _sql(member.name, "SELECT DISTINCT type || ' ' || auth_method FROM pg_hba_file_rules")
        assert rules == {"local peer", "local scram-sha-256", "hostssl scram-sha-256"}, member.name
    sessions = (
        "SELECT DISTINCT version FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE client_addr IS NOT NULL"
    )
    assert _sql(seen.leader.name, sessions) == {"TLSv1.3"}


def _sql(member: str, query: str) -> set[str]:
    return set(docker("exec", member, "psql", "-XAtq", "-d", "postgres", "-c", query).split("\n")) - {""}
