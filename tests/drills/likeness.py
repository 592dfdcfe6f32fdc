"""Two estates compared object by object: everything that `inspect` shows, but what no declaration decides."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

import docker

from infra.present import look
from tests.drills.made import files

Attributes = dict[str, Any]
Objects = dict[str, Attributes]  # by "container dev-jkt-db-1"

# Why an attribute is left out, and which ones: paths into inspect's answer.
LEFT_OUT = {
    "an id, or a path made of one": (
        "Id",
        "*/NetworkID",
        "*/EndpointID",
        "NetworkSettings/Sandbox*",
        "HostnamePath",
        "HostsPath",
        "LogPath",
        "ResolvConfPath",
        "GraphDriver/Data/*",
    ),
    "a time, or what has happened since": (
        "Created",
        "CreatedAt",
        "RestartCount",
        "State/StartedAt",
        "State/FinishedAt",
        "State/Pid",
        "State/Health/*",
    ),
    "an address that is nobody's wish": (
        "*/Gateway",
        "*/IPAddress",
        "*/IPPrefixLen",
        "*/MacAddress",
        "IPAM/Config",
    ),
    "told of the containers, one by one": ("Containers/*",),
    "where a container is made: Pulumi's provider makes it on the default bridge and moves it to its networks": (
        "HostConfig/NetworkMode",
    ),
    "what the engine that made it notes for itself: its name, a digest of the files (they are compared themselves)": (
        "Labels/separuh.engine",
        "Config/Labels/separuh.uploads",
    ),
}
NOTHING: tuple[Any, ...] = (None, "", 0, [], "no")  # what the engine answers where nobody declared anything


def objects(client: docker.DockerClient, stack: str) -> Objects:
    """Return every object of the stack with the attributes that its declaration decides, and the files it holds."""
    found: Objects = {}
    for kind, named in look(client, stack).found.items():
        for name, data in named.items():
            found[f"{kind} {name}"] = decided(data)
            if kind == "container" and data["State"]["Status"] == "created":
                stream, _ = client.api.get_archive(name, "/config")
                for file, (*owner, content) in files(b"".join(stream)).items():
                    found[f"{kind} {name}"][f"/config/{file}"] = (*owner, hashlib.sha256(content).hexdigest())
    return found


def decided(data: Mapping[str, Any]) -> Attributes:
    """Return an object's inspect data by path, without what is LEFT_OUT and what is NOTHING."""
    of_engine = {str(data.get("Id"))[:12]}  # an alias, and the host name where none is declared
    left_out = [pattern for patterns in LEFT_OUT.values() for pattern in patterns]
    return {
        path: value
        for path, value in _flat(data, "", of_engine)
        if value not in NOTHING and not any(fnmatchcase(path, pattern) for pattern in left_out)
    }


def unlike(one: Objects, other: Objects) -> list[str]:
    """Return each difference as a line: the object, the attribute, and its value on either side."""
    return [
        f"{name}: {path}: {one.get(name, {}).get(path)!r} / {other.get(name, {}).get(path)!r}"
        for name in sorted(one.keys() | other.keys())
        for path in sorted(one.get(name, {}).keys() | other.get(name, {}).keys())
        if one.get(name, {}).get(path) != other.get(name, {}).get(path)
    ]


def _flat(value: Any, path: str, of_engine: set[str]) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _flat(part, f"{path}/{key}".lstrip("/"), of_engine)
    elif isinstance(value, list) and path.endswith(("/Aliases", "/Binds", "Mounts")):  # sets that come as lists
        yield path, sorted((one for one in value if str(one) not in of_engine), key=repr)
    elif str(value) not in of_engine:
        yield path, value
