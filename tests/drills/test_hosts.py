"""Three test hosts for real: reached by both ways, given an image, joined by their published ports, and one frozen."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from infra import base_image
from infra.engines import Engines, EngineUnreachable
from infra.settings import Place, Settings, Site, Ssh, container
from runbooks import hosts
from runbooks.core.remote import Remote

pytestmark = pytest.mark.drill

STACK = "hosttest"
GREETER = """
use IO::Socket;
my $listener = IO::Socket::INET->new(LocalPort => 8008, Listen => 5) or die;
while (my $caller = $listener->accept) { print $caller 'hi'; close $caller }
"""
ASK = "use IO::Socket; alarm 10; $s = IO::Socket::INET->new('{}:8008') or die $!; print <$s>"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Return a stack whose three hosts run; afterwards nothing of them is left."""
    root = tmp_path_factory.mktemp("checkout")
    keys = root / ".separuh" / STACK / "ssh"
    stack = Settings(
        stack=STACK,
        sites=(
            Site(name="jkt", city="Jakarta", engine="ssh://root@198.18.8.11"),
            Site(name="sby", city="Surabaya", engine="ssh://root@198.18.8.12"),
        ),
        witness=Place(name="bdg", city="Bandung", engine="ssh://root@198.18.8.13"),
        ssh=Ssh(identity_file=str(keys / "id_ed25519"), known_hosts=str(keys / "known_hosts")),
    )
    hosts.start(stack, root)
    yield stack
    hosts.remove(STACK)
    left = docker.from_env().containers.list(all=True, filters={"label": f"{hosts.LABEL}={STACK}"})
    assert left == []


def test_a_second_start_changes_nothing(settings: Settings) -> None:
    client = docker.from_env()
    names = [container(settings, place, "host") for place in settings.places]
    before = [client.containers.get(name).attrs["State"]["StartedAt"] for name in names]
    hosts.start(settings, Path(settings.ssh.known_hosts).parents[3])
    assert [client.containers.get(name).attrs["State"]["StartedAt"] for name in names] == before


def test_each_host_answers_the_sdk_and_fabric(settings: Settings) -> None:
    with Engines(settings) as engines:
        for place in settings.places:
            wanted = engines.client(place.name).version()["Version"]
            remote = Remote(place.engine, settings.ssh)
            told = remote.run(("docker", "version", "--format", "{{.Server.Version}}"), None, within=10)
            remote.close()
            assert (told.code, told.stdout.decode().strip()) == (0, wanted), told.stderr


def test_an_exit_code_is_never_lost_behind_the_output(settings: Settings) -> None:
    remote = Remote(settings.witness.engine, settings.ssh)
    codes = {remote.run(("sh", "-c", "echo said; exit 3"), None, within=10).code for _ in range(50)}
    remote.close()
    assert codes == {3}


def test_an_unknown_host_key_is_refused_by_both(settings: Settings, tmp_path: Path) -> None:
    other = tmp_path / "known_hosts"
    lines = Path(settings.ssh.known_hosts).read_text().splitlines()
    keys = [line.split(" ", 1)[1] for line in lines]
    other.write_text(
        "\n".join(f"{line.split()[0]} {key}" for line, key in zip(lines, reversed(keys), strict=True)) + "\n"
    )
    ssh = Ssh(identity_file=settings.ssh.identity_file, known_hosts=str(other))
    wrong = Settings(stack=STACK, sites=settings.sites, witness=settings.witness, ssh=ssh)
    with Engines(wrong) as engines, pytest.raises(EngineUnreachable, match="Host key verification failed"):
        engines.client("jkt")
    remote = Remote(settings.sites[0].engine, ssh)
    assert remote.run(("true",), None, within=10).code is None
    remote.close()


def test_an_image_is_delivered_and_one_host_reaches_what_the_other_publishes(settings: Settings) -> None:
    local = docker.from_env()
    jkt, sby = settings.sites
    address = sby.engine.rpartition("@")[2]
    with Engines(settings) as engines:
        started = time.monotonic()
        for place in (jkt, sby):
            image = local.images.get(base_image.TAG).save(named=True)
            engines.client(place.name).images.load(image)  # type: ignore[arg-type]  # streamed
        assert time.monotonic() - started < 60
        server = engines.client("sby").containers.run(
            base_image.TAG, ["perl", "-e", GREETER], detach=True, ports={"8008/tcp": (address, 8008)}
        )
        try:
            said = engines.client("jkt").containers.run(
                base_image.TAG, ["perl", "-e", ASK.format(address)], remove=True
            )
        finally:
            server.remove(force=True)
    assert said == b"hi"


def test_a_frozen_host_is_noticed_within_three_seconds(settings: Settings) -> None:
    frozen = docker.from_env().containers.get(container(settings, settings.sites[1], "host"))
    frozen.pause()
    try:
        started = time.monotonic()
        with Engines(settings) as engines, pytest.raises(EngineUnreachable, match=r"sby: .* does not answer"):
            engines.client("sby")
        assert time.monotonic() - started < 3

        started = time.monotonic()
        remote = Remote(settings.sites[1].engine, settings.ssh)
        assert remote.run(("true",), None, within=10).code is None
        assert time.monotonic() - started < 3
    finally:
        frozen.unpause()
