"""What a Docker engine has of one stack, by its labels; and which names are taken by somebody else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import docker
from docker.errors import ImageNotFound, NotFound

STACK_LABEL = "separuh.stack"
PLACE_LABEL = "separuh.place"
ROLE_LABEL = "separuh.role"
ENGINE_LABEL = "separuh.engine"
DRILL = "drill"  # the role of what a restore drill makes beside the stack and removes again by itself


@dataclass(frozen=True, kw_only=True)
class Present:
    """Inspect data by kind (`container`, `network`, `volume`) and name. `foreign` has the names not labelled ours."""

    found: Mapping[str, Mapping[str, Mapping[str, Any]]]
    foreign: Mapping[str, frozenset[str]]
    images: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)


def look(client: docker.DockerClient, stack: str, images: Iterable[str] = ()) -> Present:
    """Read all of `stack` from one engine, and each of `images` (None where the engine lacks it)."""
    api = client.api
    listed = {
        "container": {one["Names"][0].lstrip("/"): one for one in api.containers(all=True) if one["Names"]},
        "network": {one["Name"]: one for one in api.networks()},
        "volume": {one["Name"]: one for one in api.volumes()["Volumes"] or []},
    }
    inspect: dict[str, Callable[[str], Any]] = {
        "container": api.inspect_container,
        "network": api.inspect_network,
        "volume": api.inspect_volume,
    }
    found: dict[str, dict[str, Mapping[str, Any]]] = {kind: {} for kind in listed}
    for kind, objects in listed.items():
        for name, one in objects.items():
            if (one.get("Labels") or {}).get(STACK_LABEL) == stack:
                try:
                    found[kind][name] = inspect[kind](one.get("Id") or name)
                except NotFound:
                    continue  # it went between the two questions
    foreign = {kind: frozenset(set(objects) - set(found[kind])) for kind, objects in listed.items()}
    return Present(found=found, foreign=foreign, images={image: _image(client, image) for image in images})


def labels(kind: str, data: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the labels from an object's inspect data."""
    at = data["Config"] if kind == "container" else data
    return at.get("Labels") or {}


def _image(client: docker.DockerClient, name: str) -> Mapping[str, Any] | None:
    try:
        attributes: Mapping[str, Any] = client.images.get(name).attrs
    except ImageNotFound:
        return None
    return attributes
