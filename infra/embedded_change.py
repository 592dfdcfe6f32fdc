"""Makes one change of a plan on one engine, so that being killed at any moment leaves nothing half made in its name.

A container is made under a provisional name, filled, and only then given the declared one. Whatever is found under a
provisional name later was left by an `up` that was killed, and goes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any

import docker
from docker.errors import APIError, NotFound

from infra.collect import Declared
from infra.embedded_compare import attached
from infra.embedded_objects import declared_labels, networks, request
from infra.embedded_plan import PROVISIONAL, Change
from infra.present import STACK_LABEL, labels
from infra.uploads import archive

LEAKED = "active endpoints"
CONFLICT = 409  # HTTP
AMBIGUOUS = 400  # a network's name that two have; and whatever else is wrong with a request


class HeldByNothing(APIError):
    """The engine keeps a network for an endpoint that no container has.

    Docker 20.10 counts a network's endpoints beside the endpoints themselves, and two that go at once can be taken for
    one. Only the engine's restart counts anew; whoever declares the network meanwhile finds it, and can use it.
    """

    def __init__(self, error: APIError) -> None:
        said = f"{error.explanation}, though no container is on it: restart the engine, which then counts anew"
        super().__init__(str(error), error.response, said)


def make(change: Change, client: docker.DockerClient) -> None:
    """Carry out `change`. Raises what the docker client raises, and HeldByNothing of a network that is to go."""
    one, api = change.declared, client.api
    if one is None:
        _remove(change.kind, change.name, client, discard=change.verb == "discard")
    elif change.kind == "volume":
        api.create_volume(change.name, labels=declared_labels(one))
    elif change.kind == "network":
        if change.verb == "replace":  # its containers are attached to the new one by their own updates
            _remove("network", change.name, client)
        internal, marks = one.inputs.get("internal", False), declared_labels(one)
        create = partial(api.create_network, change.name, internal=internal, labels=marks, check_duplicate=True)
        _once_free("network", change.name, one, client, create)
    else:
        if change.verb == "update":
            _update(change.name, one, client)
        elif change.verb != "start":
            _create(change, one, client)
        if one.inputs.get("start", True):
            _start(change.name, one, client)


def _remove(kind: str, name: str, client: docker.DockerClient, *, discard: bool = False) -> None:
    """Remove an object that may be gone already; a container is stopped first, unless it is to `discard`."""
    api = client.api
    with suppress(NotFound):
        if kind == "container":
            if not discard:
                api.stop(name)
            api.remove_container(name, force=True, v=True)  # v: the volumes without a name
        elif kind == "volume":
            api.remove_volume(name)
        else:
            for network in _named(name, client):
                _remove_network(network, client)


def _remove_network(network: str, client: docker.DockerClient) -> None:
    api = client.api
    for endpoint in api.inspect_network(network)["Containers"].values():
        with suppress(NotFound):
            api.disconnect_container_from_network(endpoint["Name"], network, force=True)
    try:
        api.remove_network(network)
    except APIError as error:
        if LEAKED in str(error.explanation) and not api.inspect_network(network)["Containers"]:
            raise HeldByNothing(error) from error
        raise


def _create(change: Change, one: Declared, client: docker.DockerClient) -> None:
    """Make the new one whole before the old one goes: what cannot be made costs nothing that stands."""
    api, provisional = client.api, f"{change.name}{PROVISIONAL}"
    _keep_the_oldest(networks(one), client)
    create = partial(api.create_container_from_config, request(one), provisional)
    made = _once_free("container", provisional, one, client, create)["Id"]
    for network, aliases in list(networks(one).items())[1:]:  # the first came with the request
        api.connect_container_to_network(made, network, aliases=aliases)
    if uploads := one.inputs.get("uploads"):
        api.put_archive(made, "/", archive(uploads))
    if change.verb == "replace":
        _remove("container", change.name, client)
    _once_free("container", change.name, one, client, partial(api.rename, made, change.name))


def _start(name: str, one: Declared, client: docker.DockerClient) -> None:
    """Start or unpause it; the engine starts what runs without a word."""
    api = client.api
    act = api.unpause if api.inspect_container(name)["State"]["Paused"] else api.start
    try:
        act(name)
    except APIError as error:  # the last request of a killed `up` made a network a second time since
        if error.status_code != AMBIGUOUS or not _keep_the_oldest(networks(one), client):
            raise
        act(name)


def _update(name: str, one: Declared, client: docker.DockerClient) -> None:
    """Change what a living container takes: its limits, and its networks."""
    api, limits, wanted = client.api, request(one)["HostConfig"], networks(one)
    api.update_container(
        name,
        mem_limit=limits.get("Memory"),
        memswap_limit=limits.get("MemorySwap"),
        cpu_shares=limits.get("CpuShares"),
        restart_policy=limits.get("RestartPolicy"),
    )
    found = api.inspect_container(name)
    there = attached(found, {network: _named(network, client)[0] for network in wanted})
    for network in found["NetworkSettings"]["Networks"].keys() | wanted.keys():
        if there.get(network) != wanted.get(network):
            with suppress(APIError):  # it is not on it, or what it was on is gone
                api.disconnect_container_from_network(name, network, force=True)
            if network in wanted:
                api.connect_container_to_network(name, network, aliases=wanted[network])


def _once_free(kind: str, name: str, one: Declared, client: docker.DockerClient, act: Callable[[], Any]) -> Any:
    """Do what takes `name`; where the last request of a killed `up` took it meanwhile, what it made goes first."""
    try:
        return act()
    except APIError as error:
        if error.status_code != CONFLICT:
            raise
        there = labels(kind, getattr(client.api, f"inspect_{kind}")(name))
        if there.get(STACK_LABEL) != declared_labels(one)[STACK_LABEL]:
            raise
        _remove(kind, name, client, discard=True)
        return act()


def _keep_the_oldest(names: Iterable[str], client: docker.DockerClient) -> bool:
    """Remove what was made later under the name of a network, and say whether there was any."""
    later = [network for name in names for network in _named(name, client)[1:]]
    for network in later:
        client.api.remove_network(network)
    return bool(later)


def _named(network: str, client: docker.DockerClient) -> list[str]:
    """Return the ids of the networks of that name, oldest first.

    The engine allows several, and the request of a killed `up` may still be under way when the next one looks.
    """
    same = [one for one in client.api.networks(names=[network]) if one["Name"] == network]
    return [one["Id"] for one in sorted(same, key=lambda one: str(one["Created"]))]
