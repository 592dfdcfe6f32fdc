"""A declared Container as the Docker Engine API wants it, and how it differs from what `inspect` shows.

Inputs have the names of the Docker provider's wire format. One table says where the API keeps each of them; an input
that is not in it is refused, so that nothing declared is ever silently left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from infra.collect import DeclarationError, Declared
from infra.uploads import UPLOADS_LABEL, digest

MIB = 1024 * 1024
SECRET = "[secret]"  # noqa: S105 - what is shown instead of one
_UNITS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}


class Difference(NamedTuple):
    """One attribute of an object: what is there, and what is declared."""

    attribute: str
    found: str
    wanted: str

    def __str__(self) -> str:
        """Show it as a plan does: `memory: 67108864 -> 134217728`."""
        return f"{self.attribute}: {self.found} -> {self.wanted}"


def nanoseconds(duration: str) -> int:
    """Return Go's `1m30s` in nanoseconds; DeclarationError for what is no duration."""
    parts = re.findall(r"(\d+)(ms|s|m|h)", duration)
    if "".join(number + unit for number, unit in parts) != duration:
        raise DeclarationError(f"{duration!r} is no duration: write 5s, 500ms or 1m30s")
    return sum(int(number) * _UNITS[unit] for number, unit in parts)


def _health(value: Mapping[str, Any]) -> dict[str, Any]:
    times = {key.capitalize(): nanoseconds(value[key]) for key in ("interval", "timeout") if key in value}
    if "startPeriod" in value:
        times["StartPeriod"] = nanoseconds(value["startPeriod"])
    return {"Test": value["tests"], "Retries": value.get("retries", 0), **times}


def _bind(volume: Mapping[str, Any]) -> str:
    source = volume.get("volumeName") or volume.get("hostPath")
    if not source:
        raise DeclarationError(f"the volume at {volume.get('containerPath')} has neither volumeName nor hostPath")
    return f"{source}:{volume['containerPath']}:{'ro' if volume.get('readOnly') else 'rw'}"


def _ports(ports: list[dict[str, Any]]) -> dict[str, list[dict[str, str]]]:
    bindings: dict[str, list[dict[str, str]]] = {}
    for port in ports:
        external = {"HostIp": port.get("ip", "0.0.0.0"), "HostPort": str(port.get("external", ""))}  # noqa: S104
        bindings.setdefault(f"{port['internal']}/{port.get('protocol', 'tcp')}", []).append(external)
    return bindings


def _pairs(entries: list[str] | None) -> dict[str, str]:
    return dict(entry.partition("=")[::2] for entry in entries or [])


def _same(value: Any) -> Any:
    return value


def _unordered(value: list[Any] | None) -> list[Any]:
    return sorted(value or [], key=repr)


def _capabilities(value: list[str] | None) -> list[str]:
    return sorted(name.upper().removeprefix("CAP_") for name in value or [])


def _binds(value: list[str] | None) -> list[str]:
    return sorted(bind if bind.count(":") == 2 else f"{bind}:rw" for bind in value or [])


def _filled(value: Mapping[str, Any] | None) -> dict[str, Any]:
    return {key: part for key, part in (value or {}).items() if part}


@dataclass(frozen=True)
class _Field:
    """Where the API keeps an input. What is not declared is the image's, or empty."""

    section: str
    key: str
    make: Callable[[Any], Any] = _same
    form: Callable[[Any], Any] = _same  # brings what was sent and what inspect shows to one form
    of_image: bool = False
    fixed: bool = True  # False: not compared unless declared, as the engine fills in a value of its own


_FIELDS: dict[str, _Field] = {
    "command": _Field("Config", "Cmd", of_image=True),
    "entrypoints": _Field("Config", "Entrypoint", of_image=True),
    "envs": _Field("Config", "Env", form=_pairs, of_image=True),
    "user": _Field("Config", "User", of_image=True),
    "workingDir": _Field("Config", "WorkingDir", of_image=True),
    "healthcheck": _Field("Config", "Healthcheck", make=_health, form=_filled, of_image=True),
    "stopSignal": _Field("Config", "StopSignal", of_image=True),
    "labels": _Field("Config", "Labels", make=lambda v: {e["label"]: e["value"] for e in v}, of_image=True),
    "hostname": _Field("Config", "Hostname", fixed=False),
    "stopTimeout": _Field("Config", "StopTimeout"),
    "memory": _Field("HostConfig", "Memory", make=lambda v: v * MIB),
    "memorySwap": _Field("HostConfig", "MemorySwap", make=lambda v: v * MIB if v > 0 else v, fixed=False),
    "cpuShares": _Field("HostConfig", "CpuShares"),
    "restart": _Field(
        "HostConfig", "RestartPolicy", make=lambda v: {"Name": v}, form=lambda v: (v or {}).get("Name") or "no"
    ),
    "securityOpts": _Field("HostConfig", "SecurityOpt", form=_unordered),
    "readOnly": _Field("HostConfig", "ReadonlyRootfs"),
    "init": _Field("HostConfig", "Init"),
    "tmpfs": _Field("HostConfig", "Tmpfs"),
    "volumes": _Field("HostConfig", "Binds", make=lambda v: [_bind(volume) for volume in v], form=_binds),
    "ports": _Field("HostConfig", "PortBindings", make=_ports),
    "groupAdds": _Field("HostConfig", "GroupAdd", form=_unordered),
    "shmSize": _Field("HostConfig", "ShmSize", make=lambda v: v * MIB, fixed=False),
    "logDriver": _Field(
        "HostConfig", "LogConfig", make=lambda v: {"Type": v}, form=lambda v: (v or {}).get("Type"), fixed=False
    ),
    "networkMode": _Field("HostConfig", "NetworkMode", fixed=False),
}
_CAPABILITIES = {"adds": "CapAdd", "drops": "CapDrop"}
# How the engine acts, which inspect does not show; and what is compared by other means.
_ACTS = {"name", "image", "start", "mustRun", "destroyGraceSeconds", "networksAdvanced", "capabilities", "uploads"}
# What the engine changes on a living container; any other difference takes a new one.
LIVE = frozenset({"memory", "memorySwap", "cpuShares", "restart", "networks"})


def check(declared: Declared) -> None:
    """Raise DeclarationError, naming them, for inputs that this engine does not know."""
    unknown = sorted(set(declared.inputs) - set(_FIELDS) - _ACTS)
    if unknown:
        raise DeclarationError(
            f"container {declared.name}: the embedded engine does not know {', '.join(unknown)}: "
            "bring this stack up with Pulumi, or leave it out"
        )


def networks(inputs: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the declared networks by name, each with its aliases, sorted; the host name is one without saying so."""
    of_engine = {inputs.get("hostname")}
    return {
        entry["name"]: sorted({*entry.get("aliases", [])} - of_engine) for entry in inputs.get("networksAdvanced", [])
    }


def body(declared: Declared, image: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request that creates `declared` from `image` (the image's inspect data), on its first network."""
    sections: dict[str, dict[str, Any]] = {"Config": {}, "HostConfig": {}}
    for name, field in _FIELDS.items():
        wanted = _wanted(name, declared, image)
        if name in declared.inputs or (field.of_image and wanted):
            sections[field.section][field.key] = wanted
    for name, key in _CAPABILITIES.items():
        sections["HostConfig"][key] = declared.inputs.get("capabilities", {}).get(name, [])
    sections["Config"]["Labels"] = _labels(declared, image)
    exposed: dict[str, Any] = {port: {} for port in sections["HostConfig"].get("PortBindings", {})}
    request = {**sections["Config"], "Image": declared.inputs["image"], "HostConfig": sections["HostConfig"]}
    if exposed:
        request["ExposedPorts"] = exposed
    first = next(iter(networks(declared.inputs).items()), None)
    if first:
        request["HostConfig"]["NetworkMode"] = first[0]
        request["NetworkingConfig"] = {"EndpointsConfig": {first[0]: {"Aliases": first[1]}}}
    return request


def differences(declared: Declared, found: Mapping[str, Any], image: Mapping[str, Any] | None) -> list[Difference]:
    """Compare every attribute with `found`, a container's inspect data; `image` is None where the engine lacks it."""
    if image is None:
        return [Difference("image", found["Config"]["Image"], f"{declared.inputs['image']} (not on this engine yet)")]
    pairs: dict[str, tuple[Any, Any]] = {}
    if found["Image"] != image["Id"]:
        pairs["image"] = (f"{found['Config']['Image']} {found['Image']}", f"{declared.inputs['image']} {image['Id']}")
    for name, field in _FIELDS.items():
        if name in declared.inputs or field.fixed:
            wanted = _wanted(name, declared, image)
            pairs[name] = (field.form(found[field.section].get(field.key)), field.form(wanted))
    for name, key in _CAPABILITIES.items():
        wanted = declared.inputs.get("capabilities", {}).get(name)
        pairs[f"capabilities.{name}"] = (_capabilities(found["HostConfig"].get(key)), _capabilities(wanted))
    pairs["networks"] = (attached(found), networks(declared.inputs))
    if "networksAdvanced" not in declared.inputs:
        del pairs["networks"]
    return [
        _shown(name, before, after, declared)
        for name, (before, after) in pairs.items()
        if (before or None) != (after or None)  # the engine answers null, "", [] and 0 for the same nothing
    ]


def _wanted(name: str, declared: Declared, image: Mapping[str, Any]) -> Any:
    """Return what the API should hold for the input `name`, the image's own values merged as the engine does."""
    field = _FIELDS[name]
    of_image = image["Config"].get(field.key) if field.of_image else None
    if name == "labels":
        return _labels(declared, image)
    if name == "envs":
        merged = {**_pairs(of_image), **_pairs(declared.inputs.get("envs"))}
        return [f"{key}={value}" for key, value in merged.items()]
    if name == "command" and "entrypoints" in declared.inputs:
        of_image = None  # an entrypoint of one's own drops the image's command
    if name in declared.inputs:
        return field.make(declared.inputs[name])
    return {"Name": "no"} if name == "restart" else of_image


def _labels(declared: Declared, image: Mapping[str, Any]) -> dict[str, str]:
    labels = {**(image["Config"].get("Labels") or {}), **_FIELDS["labels"].make(declared.inputs.get("labels", []))}
    if declared.inputs.get("uploads"):
        labels[UPLOADS_LABEL] = digest(declared.inputs["uploads"])
    return labels


def attached(found: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return networks and aliases of inspect data, without those that the engine adds by itself: id and host name."""
    of_engine = {found["Id"][:12], found["Config"]["Hostname"]}
    endpoints = found["NetworkSettings"]["Networks"] or {}
    return {name: sorted({*(endpoint.get("Aliases") or [])} - of_engine) for name, endpoint in endpoints.items()}


def _shown(name: str, before: Any, after: Any, declared: Declared) -> Difference:
    if name in declared.secrets:
        return Difference(name, SECRET, SECRET)
    if isinstance(before, dict) and isinstance(after, dict):
        changed = sorted(key for key in {*before, *after} if before.get(key) != after.get(key))
        if changed == [UPLOADS_LABEL]:
            return Difference("uploads", "other content", "declared content")
        before = {key: before[key] for key in changed if key in before}
        after = {key: after[key] for key in changed if key in after}
    return Difference(name, *("nothing" if value in (None, "", [], {}) else str(value) for value in (before, after)))
