"""Every rule holds for what is declared, and every rule bites: each is broken here once, by name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from infra.collect import Declared, Options
from infra.policy import RULES, broken
from tests.infra.declarations import Estate, on_hosts, shared, with_detector

DB, FILES, DATA = "lab-jkt-db-1", "lab-jkt-db-1-files", "lab-jkt-db-1-data"


@pytest.mark.parametrize("estate", [shared, on_hosts, with_detector])
def test_the_estate_keeps_every_rule(estate: Any) -> None:
    assert broken(estate().settings, estate().declared) == []


def altered(estate: Estate, name: str, **inputs: Any) -> list[Declared]:
    """Return the declarations with some inputs of one resource changed."""
    return [
        replace(one, inputs={**one.inputs, **inputs}) if one.inputs.get("name") == name else one
        for one in estate.declared
    ]


@pytest.mark.parametrize(
    ("rule", "name", "inputs"),
    [
        ("images_are_exact", DB, {"image": "postgres"}),
        ("images_are_exact", DB, {"image": "registry.example:5000/postgres"}),
        ("images_are_exact", DB, {"image": "postgres:latest"}),
        ("nobody_is_root", DB, {"user": "0:0"}),
        ("nobody_is_root", FILES, {"user": "postgres"}),
        ("privileges_are_dropped", DB, {"privileged": True}),
        ("privileges_are_dropped", DB, {"capabilities": {"drops": ["NET_RAW"]}}),
        ("privileges_are_dropped", DB, {"capabilities": {"drops": ["ALL"], "adds": ["CHOWN"]}}),
        ("privileges_are_dropped", DB, {"securityOpts": []}),
        ("privileges_are_dropped", DB, {"volumes": [{"hostPath": "/var/run/docker.sock", "containerPath": "/s"}]}),
        ("roots_are_read_only", DB, {"readOnly": False}),
        ("limits_are_set", DB, {"memory": None}),
        ("limits_are_set", DB, {"memorySwap": -1}),
        ("limits_are_set", DB, {"cpuShares": 0}),
        ("members_tell_their_health", DB, {"healthcheck": None}),
        ("members_tell_their_health", DB, {"restart": "no"}),
        ("ports_are_published_as_configured", DB, {"ports": [{"internal": 5432, "external": 5432}]}),
        ("ports_are_published_as_configured", DB, {"ports": [{"internal": 5432, "ip": "0.0.0.0"}]}),  # noqa: S104
        ("everything_is_labelled", DATA, {"labels": []}),
        ("secrets_are_files", DB, {"envs": ["PGPASSWORD=x"]}),
    ],
)
def test_a_breach_is_named(rule: str, name: str, inputs: dict[str, Any]) -> None:
    breaches = broken(shared().settings, altered(shared(), name, **inputs))
    one = next(one for one in RULES if one.__name__ == rule)
    assert breaches == list(one(shared().settings, altered(shared(), name, **inputs)))
    assert [breach.partition(":")[0] for breach in breaches] == [name]


def test_unprotected_data_is_named() -> None:
    loose = [replace(one, options=Options()) if one.name == DATA else one for one in shared().declared]
    assert broken(shared().settings, loose) == [f"{DATA}: must be protected and retained"]


def test_files_in_the_clear_are_named() -> None:
    clear = [replace(one, secrets=frozenset()) if one.name == FILES else one for one in shared().declared]
    assert broken(shared().settings, clear) == [f"{FILES}: its files are not marked secret"]
