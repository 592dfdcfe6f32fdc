"""Whether one declared object is as declared: the verb that makes it so, and why."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from infra import embedded_container as container
from infra.collect import DeclarationError, Declared
from infra.embedded_container import Difference
from infra.present import ENGINE_LABEL, PLACE_LABEL, STACK_LABEL, Present
from infra.settings import SettingsError

KINDS = {
    "docker:index/network:Network": "network",
    "docker:index/volume:Volume": "volume",
    "docker:index/container:Container": "container",
}
_INPUTS = {
    "network": {"driver": "Driver", "internal": "Internal", "labels": "Labels"},
    "volume": {"driver": "Driver", "driverOpts": "Options", "labels": "Labels"},
}
_DEFAULT_DRIVER = {"network": "bridge", "volume": "local"}


class Refused(SettingsError):
    """This plan is not carried out, and nothing was changed; the message says why and what to do instead."""


def check(one: Declared, stack: str) -> None:
    """Raise Refused for a type, and DeclarationError for an input, that this engine does not do."""
    if one.type not in KINDS:
        raise Refused(
            f"{one.name} is a {one.type}, and the embedded engine does only Docker networks, volumes and "
            "containers: bring this stack up with Pulumi (engine: pulumi)"
        )
    kind = KINDS[one.type]
    if declared_labels(one).get(STACK_LABEL) != stack or "name" not in one.inputs:
        raise DeclarationError(f"{kind} {one.name} needs a name and the label {STACK_LABEL}={stack}")
    if kind == "container":
        container.check(one)
    elif unknown := sorted(set(one.inputs) - {"name", *_INPUTS[kind]}):
        raise DeclarationError(f"{kind} {one.name}: the embedded engine does not know {', '.join(unknown)}")


def declared_labels(one: Declared) -> dict[str, str]:
    """Return the declared labels; where they name the engine, this one, whatever the program wrote."""
    given = {entry["label"]: entry["value"] for entry in one.inputs.get("labels", [])}
    return {**given, ENGINE_LABEL: "embedded"} if ENGINE_LABEL in given else given


def place_of(one: Declared) -> str:
    """Return the place that the object's label names; the link between places names none."""
    return declared_labels(one).get(PLACE_LABEL, "")


def compare(one: Declared, here: Present, new_networks: Collection[str]) -> tuple[str, tuple[str, ...]]:
    """Return the verb that makes `one` as declared, and why; an empty verb when it is.

    `new_networks` are those that this plan makes anew. Raises Refused for a volume that is unlike its declaration.
    """
    kind, name = KINDS[one.type], str(one.inputs["name"])
    found = here.found[kind].get(name)
    if found is None:
        return "create", ()
    if kind == "container":
        return _container(one, found, here, new_networks)
    unlike = _unlike(kind, one, found)
    if unlike and kind == "volume":
        raise Refused(f"volume {name} holds data and is never replaced, yet it is not as declared: {'; '.join(unlike)}")
    return ("replace" if unlike else ""), unlike


def _container(
    one: Declared, found: Mapping[str, Any], here: Present, new_networks: Collection[str]
) -> tuple[str, tuple[str, ...]]:
    unlike = container.differences(one, found, here.images[one.inputs["image"]])
    state = _state(one, found)
    why = [str(difference) for difference in unlike]
    why += [f"networks: {network} is a new one" for network in _stale_networks(found, here, new_networks)]
    if state == "dead" or any(difference.attribute not in container.LIVE for difference in unlike):
        return "replace", tuple(why) or ("state: dead -> running",)
    verb = "update" if why else "start" if state else ""
    return verb, (*why, *([f"state: {state} -> running"] if state else []))


def _unlike(kind: str, one: Declared, found: Mapping[str, Any]) -> tuple[str, ...]:
    wanted = {"driver": _DEFAULT_DRIVER[kind], **one.inputs, "labels": declared_labels(one)}
    if kind == "volume":
        wanted["labels"] = found.get("Labels")  # they cannot change without losing the data, and say that it is ours
    return tuple(
        str(Difference(name, str(found.get(key)), str(wanted.get(name))))
        for name, key in _INPUTS[kind].items()
        if (found.get(key) or None) != (wanted.get(name) or None)
    )


def _stale_networks(found: Mapping[str, Any], here: Present, new_networks: Collection[str]) -> list[str]:
    """Return the networks the container was attached to that are not the ones of that name any more."""
    stale = []
    for name, endpoint in (found["NetworkSettings"]["Networks"] or {}).items():
        attached = endpoint.get("NetworkID")  # empty until the first start
        current = here.found["network"].get(name)
        if attached and (name in new_networks or (current is not None and attached != current["Id"])):
            stale.append(name)
    return stale


def _state(one: Declared, found: Mapping[str, Any]) -> str:
    """Return the state that keeps the container from being as declared, or nothing."""
    status = str(found["State"]["Status"])
    if not one.inputs.get("start", True) or status in ("running", "restarting"):
        return ""
    if not one.inputs.get("mustRun", True) and status != "created":
        return ""  # it ran, and may end
    return status
