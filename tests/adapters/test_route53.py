"""Two failover records change places in one change, on a Route 53 kept by moto."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from rich.console import Console

from runbooks.adapters import route53
from runbooks.core.errors import CommandFailed, NotReady
from runbooks.core.names import Names
from tests.s3 import in_memory

NAME, SITES = "pay.bank.example", ("jkt", "sby")


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Route 53 in memory, as the operator's credentials open it."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    with in_memory():
        yield boto3.client("route53", region_name="us-east-1")


@pytest.fixture
def zone(client: Any) -> str:
    """A hosted zone in which jkt is active, with another name beside ours."""
    made = str(client.create_hosted_zone(Name="bank.example", CallerReference="1")["HostedZone"]["Id"])
    for site, failover in (("jkt", "PRIMARY"), ("sby", "SECONDARY")):
        record = {"Name": NAME, "Type": "CNAME", "TTL": 5, "SetIdentifier": site, "Failover": failover}
        create(client, made, {**record, "ResourceRecords": [{"Value": f"{site}.bank.example"}]})
    create(client, made, {"Name": f"z{NAME}", "Type": "A", "TTL": 5, "ResourceRecords": [{"Value": "10.0.0.1"}]})
    return made.rpartition("/")[2]


def create(client: Any, zone: str, record: dict[str, Any]) -> None:
    """Make a record."""
    changes = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
    client.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=changes)


def names(plan_only: bool = False) -> Names:
    """Return the way to it."""
    return Names(plan_only, Console(file=io.StringIO(), width=500))


def test_the_other_record_becomes_the_primary_one_and_nothing_else_changes(client: Any, zone: str) -> None:
    before = names().ask(route53.pair(zone, NAME, SITES))
    assert before.active == "jkt"
    names().do(route53.point(zone, before, "sby"))
    after = names().ask(route53.pair(zone, NAME, SITES))
    assert after.active == "sby"
    for site in SITES:
        assert {**after.records[site], "Failover": ""} == {**before.records[site], "Failover": ""}


def test_a_plan_changes_nothing(zone: str) -> None:
    seen = names().ask(route53.pair(zone, NAME, SITES))
    names(plan_only=True).do(route53.point(zone, seen, "sby"))
    assert names().ask(route53.pair(zone, NAME, SITES)).active == "jkt"


def test_a_site_without_a_record_is_named(zone: str) -> None:
    with pytest.raises(NotReady, match="no failover record with the set identifier bdg"):
        names().ask(route53.pair(zone, NAME, ("jkt", "bdg")))


def test_a_zone_that_is_not_there_is_a_refusal(zone: str) -> None:
    with pytest.raises(CommandFailed, match="NoSuchHostedZone"):
        names().ask(route53.pair("Z000", NAME, SITES))


def test_both_change_places_in_one_change() -> None:
    """What is there is deleted to the letter, so that nobody's change in between is overwritten."""
    records = {"jkt": {"Failover": "PRIMARY", "TTL": 5}, "sby": {"Failover": "SECONDARY", "TTL": 5}}
    request = route53.point("Z1", route53.Pair(records), "sby")
    assert request.params["ChangeBatch"]["Changes"] == [
        {"Action": "DELETE", "ResourceRecordSet": {"Failover": "PRIMARY", "TTL": 5}},
        {"Action": "DELETE", "ResourceRecordSet": {"Failover": "SECONDARY", "TTL": 5}},
        {"Action": "CREATE", "ResourceRecordSet": {"Failover": "SECONDARY", "TTL": 5}},
        {"Action": "CREATE", "ResourceRecordSet": {"Failover": "PRIMARY", "TTL": 5}},
    ]
