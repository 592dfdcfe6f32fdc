"""The comparison of two estates tells every attribute that a declaration decides."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from tests.drills.likeness import decided, unlike

RECORDED = json.loads((Path(__file__).parent.parent / "infra" / "recorded" / "engine-20.10.json").read_text())
MEMBER = RECORDED["container"]["emb-jkt-db-1"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("Image", "sha256:0"),
        ("Config/User", "0"),
        ("HostConfig/Memory", 1),
        ("HostConfig/Privileged", True),
        ("HostConfig/CapDrop", None),
        ("HostConfig/Binds", []),
        ("NetworkSettings/Networks/emb-jkt/Aliases", ["leader"]),
        ("State/Status", "exited"),
    ],
)
def test_what_is_decided_otherwise_is_told(path: str, value: Any) -> None:
    other = copy.deepcopy(MEMBER)
    *outer, key = path.split("/")
    at = other
    for step in outer:
        at = at[step]
    at[key] = value
    [told] = unlike({"member": decided(MEMBER)}, {"member": decided(other)})
    assert told.startswith(f"member: {path}: ")


def test_what_every_engine_chooses_is_not() -> None:
    again = json.loads(json.dumps(MEMBER).replace(MEMBER["Id"], "b" * 64).replace(MEMBER["Id"][:12], "b" * 12))
    again["NetworkSettings"]["Networks"]["emb-jkt"].update(NetworkID="c" * 64, IPAddress="10.9.8.7")
    assert unlike({"member": decided(MEMBER)}, {"member": decided(again)}) == []


def test_an_object_that_only_one_has_is_told() -> None:
    assert unlike({}, {"member": decided(MEMBER)})
