"""Makes one change of a plan on one engine, so that being killed at any moment leaves nothing half made in its name.

A container is made under a provisional name, filled, and only then given the declared one. Whatever is found under a
provisional name later was left by an `up` that was killed, and goes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import docker
from docker.errors import APIError, NotFound

from infra import embedded_container as container
from infra.collect import Declared
from infra.embedded_compare import declared_labels
from infra.embedded_plan import PROVISIONAL, Change
from infra.present import STACK_LABEL, labels
from infra.uploads import archive

GRACE_SECONDS = 10
CONFLICT = 409  # HTTP


def make(change: Change, client: docker.DockerClient, image: Mapping[str, Any] | None) -> None:
    """Carry out `change`; `image` is the inspect data of a container's image. Raises what the docker client raises."""
    if change.verb == "remove":
        remove(change.kind, change.name, client)
    elif change.declared is None:
        raise ValueError(f"{change.verb} {change.name} without a declaration")
    elif change.kind == "network":
        _network(change, change.declared, client)
    elif change.kind == "volume":
        _volume(change.declared, client)
    else:
        _container(change, change.declared, client, image or {"Config": {}})


def remove(kind: str, name: str, client: docker.DockerClient, *, kill: bool = False) -> None:
    """Remove an object that may be gone already; a container is stopped first, unless `kill`."""
    with suppress(NotFound):
        if kind == "container":
            if not kill:
                _stop(name, client, None)
            client.api.remove_container(name, force=True, v=True)  # v: the volumes without a name
        elif kind == "network":
            for network in _named(name, client):
                for endpoint in client.api.inspect_network(network)["Containers"]:
                    client.api.disconnect_container_from_network(endpoint, network, force=True)
                client.api.remove_network(network)
        else:
            client.api.remove_volume(name)


def _network(change: Change, declared: Declared, client: docker.DockerClient) -> None:
    if change.verb == "replace":  # its containers are attached to the new one by their own updates
        remove("network", change.name, client)
    wanted = declared_labels(declared)
    try:
        client.api.create_network(
            change.name,
            driver=declared.inputs.get("driver", "bridge"),
            internal=declared.inputs.get("internal", False),
            labels=wanted,
            check_duplicate=True,
        )
    except APIError as error:
        # The last request of a run that was killed may end after this one has looked: it made what is wanted.
        if error.status_code != CONFLICT or client.api.inspect_network(change.name)["Labels"] != wanted:
            raise


def _volume(declared: Declared, client: docker.DockerClient) -> None:
    inputs = declared.inputs
    client.api.create_volume(
        inputs["name"], inputs.get("driver", "local"), inputs.get("driverOpts"), declared_labels(declared)
    )


def _container(change: Change, declared: Declared, client: docker.DockerClient, image: Mapping[str, Any]) -> None:
    if change.verb in ("create", "replace"):
        _create(change, declared, client, image)
    elif change.verb == "update":
        _update(change, declared, client)
    if declared.inputs.get("start", True):
        state = client.api.inspect_container(change.name)["State"]
        if state["Paused"]:
            client.api.unpause(change.name)
        elif not state["Running"] and (change.verb != "update" or _stopped(change)):
            client.api.start(change.name)


def _stopped(change: Change) -> bool:
    return any(reason.startswith("state:") for reason in change.why)


def _create(change: Change, declared: Declared, client: docker.DockerClient, image: Mapping[str, Any]) -> None:
    """Make the new one whole before the old one goes: what cannot be made costs nothing that stands."""
    api = client.api
    for network in container.networks(declared.inputs):
        for later in _named(network, client)[1:]:
            api.remove_network(later)
    request, provisional = container.body(declared, image), f"{change.name}{PROVISIONAL}"
    make_it = partial(api.create_container_from_config, request, provisional)
    made = _once_free(provisional, declared, client, make_it)["Id"]
    for network, aliases in list(container.networks(declared.inputs).items())[1:]:  # the first came with the body
        api.connect_container_to_network(made, network, aliases=aliases)
    if declared.inputs.get("uploads"):
        api.put_archive(made, "/", archive(declared.inputs["uploads"]))
    if change.verb == "replace":
        with suppress(NotFound):
            _stop(change.name, client, declared.inputs.get("destroyGraceSeconds"))
            api.remove_container(change.name, force=True, v=True)
    _once_free(change.name, declared, client, partial(api.rename, made, change.name))


def _once_free(name: str, declared: Declared, client: docker.DockerClient, act: Callable[[], Any]) -> Any:
    """Do what takes `name`; where the last request of a killed `up` took it meanwhile, what it made goes first."""
    try:
        return act()
    except APIError as error:
        if error.status_code != CONFLICT:
            raise
        theirs = labels("container", client.api.inspect_container(name)).get(STACK_LABEL)
        if theirs != declared_labels(declared)[STACK_LABEL]:
            raise
        remove("container", name, client, kill=True)
        return act()


def _named(network: str, client: docker.DockerClient) -> list[str]:
    """Return the ids of the networks of that name, oldest first.

    The engine allows several, and the request of a killed `up` may still be under way when the next one looks.
    """
    same = [one for one in client.api.networks(names=[network]) if one["Name"] == network]
    return [one["Id"] for one in sorted(same, key=lambda one: str(one["Created"]))]


def _update(change: Change, declared: Declared, client: docker.DockerClient) -> None:
    """Change what a living container takes: its limits, and its networks."""
    wanted = container.body(declared, {"Config": {}})["HostConfig"]
    memory = wanted.get("Memory", 0)
    client.api.update_container(
        change.name,
        mem_limit=memory,
        memswap_limit=wanted.get("MemorySwap", 2 * memory),  # twice the memory is the engine's own default
        cpu_shares=wanted.get("CpuShares", 0),
        restart_policy=wanted.get("RestartPolicy", {"Name": "no"}),
    )
    found = container.attached(client.api.inspect_container(change.name))
    networks = container.networks(declared.inputs)
    for network in {*found, *networks}:
        anew = any(reason.startswith(f"networks: {network} is a new one") for reason in change.why)
        if found.get(network) == networks.get(network) and not anew:
            continue
        if network in found:
            with suppress(APIError):  # the network it was on may be gone
                client.api.disconnect_container_from_network(change.name, network, force=True)
        if network in networks:
            client.api.connect_container_to_network(change.name, network, aliases=networks[network])


def _stop(name: str, client: docker.DockerClient, grace: int | None) -> None:
    """Stop within `grace` seconds, else as long as the container itself asks for."""
    stop_timeout = client.api.inspect_container(name)["Config"].get("StopTimeout")
    client.api.stop(name, timeout=grace or stop_timeout or GRACE_SECONDS)
