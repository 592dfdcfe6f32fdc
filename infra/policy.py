"""What every declaration has to keep to, as plain functions over declared resources. Each yields what breaks it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from infra.collect import Declared
from infra.settings import Settings

CONTAINER = "docker:index/container:Container"
NETWORK = "docker:index/network:Network"
VOLUME = "docker:index/volume:Volume"
STATEFUL = re.compile(r"-(db|etcd|store)-\d+-data$")
EXACT_IMAGE = re.compile(r"(@sha256:[0-9a-f]{64}|:(?!latest$)[\w][\w.-]*)$")

Rule = Callable[[Settings, list[Declared]], Iterator[str]]


def broken(settings: Settings, declared: Iterable[Declared]) -> list[str]:
    """Return every breach of every rule, each naming the resource; empty when all is well."""
    resources = list(declared)
    return [breach for rule in RULES for breach in rule(settings, resources)]


def images_are_exact(_: Settings, declared: list[Declared]) -> Iterator[str]:
    """An image is named by a digest or a tag that nothing moves."""
    for one in _of(declared, CONTAINER):
        if not EXACT_IMAGE.search(str(one.inputs["image"])):
            yield f"{one.name}: image {one.inputs['image']} may change under it: pin it"


def nobody_is_root(_: Settings, declared: list[Declared]) -> Iterator[str]:
    """A container runs as a numeric user other than root."""
    for one in _of(declared, CONTAINER):
        if not re.fullmatch(r"[1-9]\d*:[1-9]\d*", str(one.inputs.get("user", ""))):
            yield f"{one.name}: runs as {one.inputs.get('user') or 'the image says'}, not as a numeric user"


def privileges_are_dropped(_: Settings, declared: list[Declared]) -> Iterator[str]:
    """No privileges, none to be had later, and no access to the engine."""
    for one in _of(declared, CONTAINER):
        capabilities = one.inputs.get("capabilities", {})
        if one.inputs.get("privileged") or capabilities.get("drops") != ["ALL"] or capabilities.get("adds"):
            yield f"{one.name}: must drop ALL capabilities and add none"
        if "no-new-privileges:true" not in one.inputs.get("securityOpts", []):
            yield f"{one.name}: lacks no-new-privileges"
        if one.inputs.get("networkMode") == "host" or any("hostPath" in volume for volume in _volumes(one)):
            yield f"{one.name}: reaches into its host"


def roots_are_read_only(_: Settings, declared: list[Declared]) -> Iterator[str]:
    """What runs cannot change its own image; a holder of files, never started, takes uploads and cannot be so."""
    for one in _of(declared, CONTAINER):
        if _runs(one) and not one.inputs.get("readOnly"):
            yield f"{one.name}: root is writable"


def limits_are_set(_: Settings, declared: list[Declared]) -> Iterator[str]:
    """A memory limit, without swap beyond it, and a CPU weight."""
    for one in _of(declared, CONTAINER):
        memory = one.inputs.get("memory")
        if not memory or one.inputs.get("memorySwap") != memory or not one.inputs.get("cpuShares"):
            yield f"{one.name}: lacks memory, an equal memory_swap, or cpu_shares"


def members_tell_their_health(_: Settings, declared: list[Declared]) -> Iterator[str]:
    """What runs has a health check, and comes back by itself."""
    for one in _of(declared, CONTAINER):
        if _runs(one) and not (one.inputs.get("healthcheck") and one.inputs.get("restart") == "unless-stopped"):
            yield f"{one.name}: lacks a health check, or restart unless-stopped"


def ports_are_published_as_configured(settings: Settings, declared: list[Declared]) -> Iterator[str]:
    """A port is open at the address that the place's config names, and nowhere else."""
    allowed = {place.name: place.publish.address for place in settings.places}
    for one in _of(declared, CONTAINER):
        for port in one.inputs.get("ports", []):
            if port.get("ip") != allowed.get(_labels(one).get("separuh.place", "")):
                yield f"{one.name}: publishes {port.get('external')} at {port.get('ip') or 'every address'}"


def data_is_protected(_: Settings, declared: list[Declared]) -> Iterator[str]:
    """No program deletes the data of a database, a voter or a store."""
    for one in _of(declared, VOLUME):
        if STATEFUL.search(one.name) and not (one.options.protect and one.options.retain_on_delete):
            yield f"{one.name}: must be protected and retained"


def everything_is_labelled(settings: Settings, declared: list[Declared]) -> Iterator[str]:
    """Each object says whose it is: the embedded engine and the runbooks find it by that alone."""
    for one in _of(declared, CONTAINER, NETWORK, VOLUME):
        labels = _labels(one)
        if labels.get("separuh.stack") != settings.stack or labels.get("separuh.name") != one.inputs.get("name"):
            yield f"{one.name}: labels separuh.stack and separuh.name must say the stack and its name"


def secrets_are_files(_: Settings, declared: list[Declared]) -> Iterator[str]:
    """Content of files is marked secret, and no value travels by environment."""
    for one in _of(declared, CONTAINER):
        if one.inputs.get("uploads") and "uploads" not in one.secrets:
            yield f"{one.name}: its files are not marked secret"
        if one.inputs.get("envs"):
            yield f"{one.name}: has environment variables: values belong in /config"


RULES: tuple[Rule, ...] = (
    images_are_exact,
    nobody_is_root,
    privileges_are_dropped,
    roots_are_read_only,
    limits_are_set,
    members_tell_their_health,
    ports_are_published_as_configured,
    data_is_protected,
    everything_is_labelled,
    secrets_are_files,
)


def _of(declared: list[Declared], *types: str) -> Iterator[Declared]:
    return (one for one in declared if one.type in types)


def _runs(one: Declared) -> bool:
    return bool(one.inputs.get("start", True))


def _labels(one: Declared) -> dict[str, str]:
    return {entry["label"]: entry["value"] for entry in one.inputs.get("labels", [])}


def _volumes(one: Declared) -> list[Mapping[str, Any]]:
    return list(one.inputs.get("volumes", []))
