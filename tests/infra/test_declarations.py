"""What is declared for any stack: who runs where, on which network, under which name, and what waits for what."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from infra.policy import CONTAINER, NETWORK, VOLUME
from tests.infra.declarations import Estate, estate_of, on_hosts, place_alone, shared, with_detector

SITE = {"etcd-1", "db-1", "backup-1", "pooler-1", "route-1", "gateway-1", "api-1", "api-2", "store-1"}


def networks(estate: Estate, name: str) -> dict[str, list[str]]:
    return {entry["name"]: entry["aliases"] for entry in estate.one(name).inputs["networksAdvanced"]}


def ports(estate: Estate) -> dict[str, set[tuple[str, int]]]:
    return {
        name: {(port["ip"], port["external"]) for port in one.inputs.get("ports", [])}
        for name, one in estate.containers().items()
        if one.inputs.get("ports")
    }


def test_names_follow_from_the_config_alone() -> None:
    expected = {f"lab-{site}-{member}" for site in ("jkt", "sby") for member in SITE} | {"lab-bdg-etcd-1"}
    assert set(shared().containers()) == expected


def test_a_detector_stands_at_the_witness_where_it_is_wanted_and_nobody_reaches_it() -> None:
    found = with_detector()
    assert set(found.containers()) - set(on_hosts().containers()) == {"lab-bdg-detector-1"}
    assert "lab-bdg-detector-1" not in ports(found)
    told = json.loads(found.files("lab-bdg-detector-1")["detector.json"])
    assert told["etcd"] == ["etcd-1.bdg:2379", "10.0.0.1:2379", "10.0.0.2:2379"]
    assert told["members"]["lab-sby-db-1"] == {"patroni": "10.0.0.2:8008", "db": "10.0.0.2:5432"}


def test_a_role_reaches_the_link_only_where_other_places_need_it() -> None:
    linked = {name.split("-")[2] for name in shared().containers() if "lab-link" in networks(shared(), name)}
    assert linked == {"etcd", "db", "backup", "route", "store"}


def test_the_leader_has_one_name_on_each_lan() -> None:
    assert networks(shared(), "lab-jkt-route-1")["lab-jkt"] == ["route-1.jkt", "leader"]
    assert networks(shared(), "lab-sby-route-1")["lab-sby"] == ["route-1.sby", "leader"]


def test_the_link_leads_nowhere_else() -> None:
    assert shared().one("lab-link").inputs["internal"] is True


def test_hosts_of_their_own_have_no_link_and_publish_what_crosses() -> None:
    found = ports(on_hosts())
    assert not [one for one in on_hosts().declared if one.type == NETWORK and one.name == "lab-link"]
    assert found["lab-jkt-db-1"] == {("10.0.0.1", 5432), ("10.0.0.1", 8008)}
    assert found["lab-sby-etcd-1"] == {("10.0.0.2", 2379), ("10.0.0.2", 2380)}
    assert found["lab-bdg-etcd-1"] == {("10.0.0.3", 2379), ("10.0.0.3", 2380)}
    assert found["lab-jkt-backup-1"] == {("10.0.0.1", 8432)}
    assert found["lab-jkt-store-1"] == {("10.0.0.1", 9000)}
    assert found["lab-jkt-gateway-1"] == {("10.0.0.1", 80)}
    assert not {name for name in found if name.split("-")[2] in ("pooler", "api", "route")}


def test_one_engine_publishes_nothing_unless_the_config_says_so() -> None:
    assert ports(shared()) == {}


def test_each_store_is_told_its_own_site_s_size() -> None:
    settings = shared().settings
    grown = replace(settings, sites=(replace(settings.sites[0], store_bytes=40 << 30), settings.sites[1]))
    told = {name: json.loads(estate_of(grown).files(f"lab-{name}-store-1")["store.json"]) for name in ("jkt", "sby")}
    assert (told["jkt"]["bytes"], told["sby"]["bytes"]) == (40 << 30, 20 << 30)


@pytest.mark.parametrize("role", ["db", "etcd", "store"])
def test_data_survives_the_program(role: str) -> None:
    volume = shared().one(f"lab-jkt-{role}-1-data")
    assert volume.options.protect
    assert volume.options.retain_on_delete


def test_the_backup_role_shares_data_and_socket_with_its_own_database() -> None:
    def mounts(role: str) -> set[tuple[str, str]]:
        volumes = shared().one(f"lab-jkt-{role}-1").inputs["volumes"]
        return {(one["volumeName"], one["containerPath"]) for one in volumes if not one.get("readOnly")}

    assert (
        mounts("backup")
        == mounts("db")
        == {
            ("lab-jkt-db-1-data", "/data"),
            ("lab-jkt-db-1-run", "/var/run/postgresql"),
        }
    )


def test_no_member_waits_for_another() -> None:
    urns = {one.urn: one for one in shared().declared}
    for name, one in shared().containers().items():
        waits = {urns[urn].inputs["name"] for urn in one.options.depends_on if urns[urn].type == CONTAINER}
        assert waits == {f"{name}-files"}


def test_files_are_for_their_member_alone() -> None:
    for name, one in shared().containers().items():
        user = one.inputs["user"].partition(":")[0]
        assert {(file["owner"], file["group"], file["permissions"]) for file in shared().uploads(name)} == {
            (user, user, "0400")
        }


def test_a_holder_of_files_is_never_started() -> None:
    for name in shared().containers():
        holder = shared().one(f"{name}-files").inputs
        assert (holder["start"], holder["mustRun"], holder["networkMode"]) == (False, False, "none")


def test_payments_and_quorum_outweigh_backups() -> None:
    weights = {name.split("-")[2]: one.inputs["cpuShares"] for name, one in shared().containers().items()}
    assert min(weights[role] for role in ("etcd", "db", "pooler", "route", "gateway", "api")) > 8 * max(
        weights[role] for role in ("backup", "store")
    )


def test_hosts_are_reached_with_their_keys_checked() -> None:
    providers = [one for one in on_hosts().declared if one.type == "pulumi:providers:docker"]
    assert {one.inputs["host"] for one in providers} == {f"ssh://root@10.0.0.{n}" for n in (1, 2, 3)}
    for one in providers:
        assert "StrictHostKeyChecking=yes" in one.inputs["sshOpts"]
    by_urn = {one.urn: one.name for one in providers}
    members = [one for one in on_hosts().declared if one.type in (CONTAINER, VOLUME, NETWORK)]
    for one in members:
        place = next(label["value"] for label in one.inputs["labels"] if label["label"] == "separuh.place")
        assert by_urn[one.options.provider] == f"lab-{place}-engine"


def test_one_place_can_be_declared_alone() -> None:
    assert {name.split("-")[1] for name in place_alone("sby").containers()} == {"sby"}
