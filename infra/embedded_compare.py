"""Whether one declared object is as declared: the verb that makes it so, and why."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from infra.collect import Declared
from infra.embedded_objects import FIELDS, KINDS, inputs, networks
from infra.present import Present

# What the engine changes on a living container; any other difference takes a new one.
LIVE = frozenset({"memory", "memorySwap", "cpuShares", "restart", "networks", "state"})


def compare(one: Declared, here: Present, anew: Collection[str]) -> tuple[str, tuple[str, ...]]:
    """Return the verb that makes `one` as declared, and why; an empty verb when it is.

    `anew` are the networks that this plan makes. Of a volume nothing is compared: it holds data, and stays.
    """
    kind = KINDS[one.type]
    found = here.found[kind].get(one.inputs["name"])
    if found is None:
        return "create", ()
    pairs = {} if kind == "volume" else _own(kind, one, found)
    if kind == "container":
        pairs |= _besides(one, found, here, anew)
    # The engine answers null, "", [] and 0 for the same nothing.
    unlike = {name: pair for name, pair in pairs.items() if (pair[0] or None) != (pair[1] or None)}
    why = tuple(
        f"{name}: {_shown(before, after)} -> {_shown(after, before)}" for name, (before, after) in unlike.items()
    )
    if not unlike.keys() <= LIVE or unlike.get("state", ("",))[0] == "dead":
        return "replace", why
    return ("start" if unlike.keys() == {"state"} else "update" if unlike else ""), why


def attached(found: Mapping[str, Any], current: Mapping[str, str]) -> dict[str, list[str]]:
    """Return networks and aliases of a container's inspect data; `current` has the ids of the networks that stand.

    Left out are networks that stand no more, and the aliases that the engine gives: id and host name.
    """
    of_engine = {found["Id"][:12], found["Config"]["Hostname"]}
    return {
        name: sorted({*(endpoint["Aliases"] or [])} - of_engine)
        for name, endpoint in found["NetworkSettings"]["Networks"].items()
        if endpoint["NetworkID"] in ("", current.get(name))  # it is empty until the first start
    }


def _own(kind: str, one: Declared, found: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return every attribute that the table names, as it is and as it is declared."""
    given = inputs(one)
    pairs: dict[str, tuple[Any, Any]] = {}
    for name, (path, make, filled) in FIELDS[kind].items():
        if name in given or not filled:
            before: Any = found
            for key in path.split("/"):
                before = (before or {}).get(key)
            pairs[name] = before, make(given[name]) if name in given else None
    before, after = pairs["labels"]
    pairs["labels"] = {label: (before or {}).get(label) for label in after}, after  # the image may have more of them
    if "volumes" in pairs:
        pairs["volumes"] = sorted(pairs["volumes"][0] or []), pairs["volumes"][1]  # Pulumi gives them in any order
    return pairs


def _besides(
    one: Declared, found: Mapping[str, Any], here: Present, anew: Collection[str]
) -> dict[str, tuple[Any, Any]]:
    """Return what of a container is compared with more than its own inspect data."""
    pairs: dict[str, tuple[Any, Any]] = {}
    image = here.images[one.inputs["image"]] or {"Id": "(not on this engine yet)"}
    if found["Image"] != image["Id"]:
        pairs["image"] = f"{found['Config']['Image']} {found['Image']}", f"{one.inputs['image']} {image['Id']}"
    if wanted := networks(one):
        current = {name: data["Id"] for name, data in here.found["network"].items() if name not in anew}
        pairs["networks"] = attached(found, current), wanted
    status = found["State"]["Status"]
    if one.inputs.get("start", True) and status not in ("running", "restarting"):
        pairs["state"] = status, "running"
    return pairs


def _shown(value: Any, other: Any) -> str:
    """Return a value as a plan shows it; of two tables, what differs."""
    if isinstance(value, dict) and isinstance(other, dict):
        value = {key: part for key, part in value.items() if part != other.get(key)}
    return "nothing" if value in (None, "", [], {}) else str(value)
