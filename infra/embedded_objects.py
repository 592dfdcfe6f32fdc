"""What is declared, in the words of Docker's API.

Inputs have the names of the Docker provider's wire format. One table says where the API keeps each of those that infra/
declares; any other is refused, so that nothing declared is ever silently left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from infra.collect import DeclarationError, Declared
from infra.present import ENGINE_LABEL, PLACE_LABEL
from infra.sections import MiB
from infra.settings import SettingsError
from infra.uploads import UPLOADS_LABEL, digest

KINDS = {
    "docker:index/network:Network": "network",
    "docker:index/volume:Volume": "volume",
    "docker:index/container:Container": "container",
}


class Refused(SettingsError):
    """This plan is not carried out, and nothing was changed; the message says why and what to do instead."""


def _health(value: Mapping[str, Any]) -> dict[str, Any]:
    keys = {"interval": "Interval", "timeout": "Timeout", "startPeriod": "StartPeriod"}
    seconds = {name: int(value[key].removesuffix("s")) for key, name in keys.items()}
    return {"Test": value["tests"], "Retries": value["retries"], **{name: n * 10**9 for name, n in seconds.items()}}


def _binds(volumes: list[dict[str, Any]]) -> list[str]:
    return sorted(f"{v['volumeName']}:{v['containerPath']}:{'ro' if v.get('readOnly') else 'rw'}" for v in volumes)


def _ports(ports: list[dict[str, Any]]) -> dict[str, list[dict[str, str]]]:
    return {
        f"{port['internal']}/{port.get('protocol', 'tcp')}": [{"HostIp": port["ip"], "HostPort": str(port["external"])}]
        for port in ports
    }


def _bytes(mebibytes: int) -> int:
    return mebibytes * MiB


def _same(value: Any) -> Any:
    return value


class Field(NamedTuple):
    """Where `inspect` shows an input, and how the engine's value is made from the declared one."""

    path: str
    make: Callable[[Any], Any] = _same
    filled: bool = False  # the image or the engine has a value of its own where nothing is declared


FIELDS: dict[str, dict[str, Field]] = {
    "network": {"internal": Field("Internal"), "labels": Field("Labels")},
    "volume": {"labels": Field("Labels")},
    "container": {
        "command": Field("Config/Cmd", filled=True),
        "user": Field("Config/User", filled=True),
        "healthcheck": Field("Config/Healthcheck", _health, filled=True),
        "hostname": Field("Config/Hostname", filled=True),
        "stopTimeout": Field("Config/StopTimeout"),
        "labels": Field("Config/Labels"),
        "uploads": Field(f"Config/Labels/{UPLOADS_LABEL}", digest),
        "memory": Field("HostConfig/Memory", _bytes),
        "memorySwap": Field("HostConfig/MemorySwap", _bytes, filled=True),
        "cpuShares": Field("HostConfig/CpuShares"),
        "restart": Field("HostConfig/RestartPolicy/Name", filled=True),
        "securityOpts": Field("HostConfig/SecurityOpt"),
        "readOnly": Field("HostConfig/ReadonlyRootfs"),
        "tmpfs": Field("HostConfig/Tmpfs"),
        "volumes": Field("HostConfig/Binds", _binds),
        "ports": Field("HostConfig/PortBindings", _ports),
        "capabilities.drops": Field("HostConfig/CapDrop"),
        "capabilities.adds": Field("HostConfig/CapAdd"),
        "logDriver": Field("HostConfig/LogConfig/Type", filled=True),
        "networkMode": Field("HostConfig/NetworkMode", filled=True),
    },
}
# What is no attribute of an object by itself, or says how to act. A container stops within its stopTimeout anyway.
_BESIDES = {"name", "image", "networksAdvanced", "start", "mustRun", "destroyGraceSeconds"}


def check(one: Declared) -> None:
    """Raise Refused for a type, and DeclarationError for an input, that this engine does not do."""
    if one.type not in KINDS:
        raise Refused(
            f"{one.name} is a {one.type}, and the embedded engine does only Docker networks, volumes and "
            "containers: bring this stack up with Pulumi (engine: pulumi)"
        )
    if unknown := sorted(inputs(one).keys() - FIELDS[KINDS[one.type]].keys() - _BESIDES):
        raise DeclarationError(
            f"{KINDS[one.type]} {one.name}: the embedded engine does not know {', '.join(unknown)}: "
            "bring this stack up with Pulumi, or leave it out"
        )


def inputs(one: Declared) -> dict[str, Any]:
    """Return the inputs under the names of the table, labels as a mapping."""
    given = {**one.inputs, "labels": declared_labels(one)}
    capabilities = given.pop("capabilities", {})
    return {**given, **{f"capabilities.{key}": value for key, value in capabilities.items()}}


def declared_labels(one: Declared) -> dict[str, str]:
    """Return the declared labels; where they name the engine, this one, whatever the program wrote."""
    given = {entry["label"]: entry["value"] for entry in one.inputs.get("labels", [])}
    return {**given, ENGINE_LABEL: "embedded"} if ENGINE_LABEL in given else given


def place_of(one: Declared) -> str:
    """Return the place that the object's label names; the link between places names none."""
    return declared_labels(one).get(PLACE_LABEL, "")


def networks(one: Declared) -> dict[str, list[str]]:
    """Return the networks of a container by name, each with its aliases, sorted."""
    return {entry["name"]: sorted(entry.get("aliases", [])) for entry in one.inputs.get("networksAdvanced", [])}


def request(one: Declared) -> dict[str, Any]:
    """Return what the API is asked for to create a container, on its first network; more it does not take at once."""
    shown: dict[str, Any] = {"Config": {}, "HostConfig": {}}
    given = inputs(one)
    for name, (path, make, _) in FIELDS["container"].items():
        if name in given:
            section, *sections, key = path.split("/")
            at = shown[section]
            for inner in sections:
                at = at.setdefault(inner, {})
            at[key] = make(given[name])
    host = shown["HostConfig"]
    exposed: dict[str, Any] = {port: {} for port in host.get("PortBindings", {})}
    asked = {**shown["Config"], "Image": one.inputs["image"], "HostConfig": host, "ExposedPorts": exposed}
    for network, aliases in list(networks(one).items())[:1]:
        host["NetworkMode"] = network
        asked["NetworkingConfig"] = {"EndpointsConfig": {network: {"Aliases": aliases}}}
    return asked
