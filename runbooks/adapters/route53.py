"""Route 53: the name under which customers find the site that is active, as a pair of failover records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from runbooks.core.command import Request
from runbooks.core.errors import NotReady

PRIMARY: Literal["PRIMARY"] = "PRIMARY"
SECONDARY: Literal["SECONDARY"] = "SECONDARY"


@dataclass(frozen=True)
class Pair:
    """Both records of one name, as Route 53 has them, by site: each record's set identifier is its site's name."""

    records: Mapping[str, Mapping[str, Any]]

    @property
    def active(self) -> str:
        """The site whose record is the primary one; "" where none is."""
        return next((site for site, record in self.records.items() if record["Failover"] == PRIMARY), "")


def pair(zone: str, name: str, sites: tuple[str, ...]) -> Request[Pair]:
    """Ask for the failover records of `name` in the hosted zone; NotReady where a site of `sites` has none."""
    params = {"HostedZoneId": zone, "StartRecordName": name, "MaxItems": "10"}
    return Request(
        operation="list_resource_record_sets", params=params, parse=lambda answer: _pair(answer, name, sites)
    )


def point(zone: str, found: Pair, site: str) -> Request[None]:
    """Make `site`'s record the primary one and the other the secondary, in one change; all else about them stays.

    What is there is named to the letter, so that a record that somebody else has changed meanwhile refuses the change.
    """
    changes = [{"Action": "DELETE", "ResourceRecordSet": dict(record)} for record in found.records.values()]
    changes += [
        {"Action": "CREATE", "ResourceRecordSet": {**record, "Failover": PRIMARY if name == site else SECONDARY}}
        for name, record in found.records.items()
    ]
    batch = {"Comment": f"separuh: {site} is active", "Changes": changes}
    params = {"HostedZoneId": zone, "ChangeBatch": batch}
    return Request(operation="change_resource_record_sets", params=params, parse=lambda _: None)


def _pair(answer: Mapping[str, Any], name: str, sites: tuple[str, ...]) -> Pair:
    wanted = name.rstrip(".") + "."
    found = {
        record["SetIdentifier"]: record
        for record in answer["ResourceRecordSets"]
        if record["Name"] == wanted and record.get("Failover")
    }
    if missing := [site for site in sites if site not in found]:
        raise NotReady(
            f"{name} has no failover record with the set identifier {' nor '.join(missing)} in Route 53: make one for "
            "each site, or leave separuh:dns out"
        )
    return Pair({site: found[site] for site in sites})
