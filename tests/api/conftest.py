"""A real PostgreSQL 17 and a real credit-api for the drills of this folder, thrown away at the end."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import psycopg
import pytest
from credit_api import schema
from credit_api.config import Config
from docker.models.containers import Container

from infra import images

BOOT = """
B=/usr/lib/postgresql/17/bin
$B/initdb -D /tmp/pg -A trust -E UTF8 --locale=C.UTF-8 -U postgres > /dev/null
echo 'host all all all trust' >> /tmp/pg/pg_hba.conf
exec $B/postgres -D /tmp/pg -c listen_addresses='*' -c unix_socket_directories=/tmp -c fsync=off
"""


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    """Return the local engine."""
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture(scope="session")
def tags(engine: docker.DockerClient) -> dict[str, str]:
    """Return the tags of the images, built if they are missing."""
    return images.build(frozenset({"database", "api"}), engine)


@pytest.fixture(scope="session")
def database(engine: docker.DockerClient, tags: dict[str, str]) -> Iterator[Container]:
    """Return a PostgreSQL that trusts everybody, with an empty database `credit` of its own role."""
    container = engine.containers.run(
        tags["database"],
        ["--", "sh", "-c", BOOT],
        entrypoint="/usr/bin/tini",  # as a member has: PostgreSQL takes an orphan that is killed for one of its own
        environment={"PGHOST": "/tmp"},  # noqa: S108  the container's own
        name=f"api-test-{secrets.token_hex(3)}",
        detach=True,
    )
    try:
        with connected(address(container), "postgres") as connection:
            connection.execute("CREATE ROLE credit LOGIN")
            connection.execute("CREATE DATABASE credit OWNER credit")
        yield container
    finally:
        container.remove(force=True, v=True)


def address(container: Container) -> str:
    """Return the container's address on the default bridge."""
    container.reload()
    return str(container.attrs["NetworkSettings"]["Networks"]["bridge"]["IPAddress"])


def connected(host: str, database: str) -> psycopg.Connection:
    """Return a superuser's session, once the server answers."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return psycopg.connect(f"host={host} dbname={database} user=postgres", autocommit=True, connect_timeout=2)
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


@pytest.fixture(scope="session")
def dsn(database: Container) -> str:
    """Return how the service's role reaches its database, whose schema is made."""
    dsn = f"host={address(database)} dbname=credit user=credit"
    assert schema.make(Config(dsn=dsn, password="")) == "schema made, at 0001"
    return dsn


@pytest.fixture
def admin(dsn: str, database: Container) -> Iterator[psycopg.Connection]:
    """Return a superuser's session in the database."""
    with connected(address(database), "credit") as connection:
        yield connection


@pytest.fixture(scope="session")
def service(
    engine: docker.DockerClient, tags: dict[str, str], dsn: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], str]]:
    """Return what starts the service, once, as its container does in an estate, and gives its URL."""
    folder: Path = tmp_path_factory.mktemp("config")
    (folder / "api.json").write_text(json.dumps({"dsn": dsn, "password": "unused", "deadline": 3}))
    folder.chmod(0o755)
    container = engine.containers.run(
        tags["api"],
        volumes={str(folder): {"bind": "/config", "mode": "ro"}},
        read_only=True,
        tmpfs={"/run": "mode=1777", "/tmp": "mode=1777"},  # noqa: S108  the container's own
        cap_drop=["ALL"],
        name=f"api-test-{secrets.token_hex(3)}",
        detach=True,
    )
    try:
        yield lambda: f"http://{address(container)}:8000"
        assert b"Traceback" not in container.logs(), container.logs().decode()
    finally:
        container.remove(force=True, v=True)
