"""Test hosts: a container for each place of a stack, with sshd and a Docker engine of its own.

They stand in for machines: `ssh://` reaches them at fixed addresses, with host keys that are known beforehand. No
procedure of the credit system runs here, so neither lease nor ledger takes part.
"""

from __future__ import annotations

import ipaddress
import time
from pathlib import Path
from urllib.parse import urlsplit

import docker
from docker.errors import APIError, NotFound
from docker.models.containers import Container
from docker.types import IPAMConfig, IPAMPool

from infra import base_image, host_keys, local_engine
from infra.engines import Engines, EngineUnreachable
from infra.host_keys import HostKeys
from infra.say import say_on_stderr as say
from infra.settings import ROOT, Place, Settings, container
from runbooks.core.errors import NotReady, NotVerified
from runbooks.core.session import settings_of

CONTEXT = ROOT / "tests" / "hosts"
IMAGE = "separuh/test-host"
LABEL = "separuh.hosts"  # the stack; the estate's own labels would make its engine take the hosts for members
KEY_LABEL = "separuh.hosts.key"
READY_SECONDS = 60


def up(stack: str = "staging") -> None:
    """Start the hosts of `stack`; NotReady where its places are no ssh:// hosts, or are production's."""
    start(_settings(stack))


def down(stack: str = "staging") -> None:
    """Remove the hosts of `stack`, all that is on them, and their network; the keys stay for the next `up`."""
    remove(stack or "staging")


def start(settings: Settings, root: Path = ROOT) -> None:
    """Start what is missing of the stack's hosts, and wait until each engine answers over ssh.

    NotVerified when a host does not answer within READY_SECONDS.
    """
    local_engine.ensure()
    client = docker.from_env()
    base_image.ensure(client)
    say("building the image of the hosts (kept from the last time where nothing changed)")
    client.images.build(path=str(CONTEXT), tag=IMAGE, buildargs={"BASE": base_image.TAG}, rm=True, forcerm=True)
    keys = host_keys.ensure(settings, root)
    network = _network(client, settings)
    for place in settings.places:
        _start(client, settings, place, keys, network)
    for place in settings.places:
        seconds = _wait(settings, place)
        say(f"{place.name}: {place.engine} answers after {seconds:.1f} s")


def remove(stack: str) -> None:
    """Remove every container, volume and network that `start` made for `stack`."""
    local_engine.ensure()
    client = docker.from_env()
    mine: dict[str, str | list[str] | bool] = {"label": f"{LABEL}={stack}"}
    for host in client.containers.list(all=True, filters=mine):
        say(f"removing the host {host.name} and all that is on it")
        host.remove(force=True)
    for volume in client.volumes.list(filters=mine):
        volume.remove()
    for network in client.networks.list(filters=mine):
        network.remove()


def _settings(stack: str) -> Settings:
    settings = settings_of(stack or "staging")
    if settings.production or settings.one_engine:
        kind = "a production stack" if settings.production else "a stack on one local engine"
        raise NotReady(f"{settings.stack} is {kind}: test hosts are for a stack whose places are ssh://, like staging")
    return settings


def _network(client: docker.DockerClient, settings: Settings) -> str:
    """Return the name of the hosts' network: the /24 that their addresses lie in."""
    name = f"{settings.stack}-hosts"
    if not client.networks.list(filters={"label": f"{LABEL}={settings.stack}"}):
        subnet = ipaddress.ip_network(f"{_address(settings.places[0])}/24", strict=False)
        ipam = IPAMConfig(pool_configs=[IPAMPool(subnet=str(subnet))])
        try:
            client.networks.create(name, ipam=ipam, labels={LABEL: settings.stack})
        except APIError as error:
            raise NotReady(
                f"the hosts' network {name} cannot have {subnet}: {error.explanation}. Remove what is in its way "
                f"(docker network ls), or write other addresses into Pulumi.{settings.stack}.yaml"
            ) from error
    return name


def _start(client: docker.DockerClient, settings: Settings, place: Place, keys: HostKeys, network: str) -> None:
    host = _find(client, settings, place) or _create(client, settings, place, keys, network)
    if host.labels.get(KEY_LABEL) != keys.hosts[place.name].public:
        raise NotReady(
            f"the host {host.name} has the keys of another checkout: `./inv hosts.down --stack {settings.stack}` "
            "removes it with all that is on it, then run this again"
        )
    host.put_archive("/", keys.files(place))
    host.start()


def _find(client: docker.DockerClient, settings: Settings, place: Place) -> Container | None:
    try:
        return client.containers.get(container(settings, place, "host"))
    except NotFound:
        return None


def _create(client: docker.DockerClient, settings: Settings, place: Place, keys: HostKeys, network: str) -> Container:
    """Create the host of `place`: all that an engine inside a container needs, and no more (not privileged)."""
    name = container(settings, place, "host")
    labels = {LABEL: settings.stack, KEY_LABEL: keys.hosts[place.name].public}
    client.volumes.create(f"{name}-docker", labels={LABEL: settings.stack})
    endpoint = client.api.create_endpoint_config(ipv4_address=_address(place))
    return client.containers.create(
        IMAGE,
        name=name,
        hostname=f"{settings.stack}-{place.name}",
        labels=labels,
        cap_add=["ALL"],
        cap_drop=["SYS_RESOURCE"],
        security_opt=["seccomp=unconfined", "apparmor=unconfined"],
        cgroupns="host",
        volumes=["/sys/fs/cgroup:/sys/fs/cgroup:rw", f"{name}-docker:/var/lib/docker"],
        network=network,
        networking_config={network: endpoint},
        restart_policy={"Name": "always"},
    )


def _wait(settings: Settings, place: Place) -> float:
    """Return after how many seconds the engine of `place` answered."""
    started = time.monotonic()
    while True:
        try:
            with Engines(settings) as engines:
                engines.client(place.name).ping()
            return time.monotonic() - started
        except EngineUnreachable as error:
            if time.monotonic() - started > READY_SECONDS:
                name = container(settings, place, "host")
                log = f"docker logs {name}; docker exec {name} cat /var/log/dockerd.log"
                raise NotVerified(f"{error}\nwhat the host says of it: {log}") from error
            time.sleep(0.2)


def _address(place: Place) -> str:
    return urlsplit(place.engine).hostname or ""
