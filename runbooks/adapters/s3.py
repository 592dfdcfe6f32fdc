"""S3: a bucket that keeps what is put into it, and the proof that it does.

An operation that the store refuses is a CommandFailed whose code is the HTTP status.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from runbooks.core.command import Request

COMPLIANCE = "COMPLIANCE"
REFUSED = (400, 403)  # Ceph answers a broken lock with 403; others with 400 where the mode itself forbids it
MISSING = 404
ALREADY = 409

# Not BlockPublicAcls: Ceph 18.2 then refuses every put, with an ACL or without. Ignoring public ACLs is as safe.
PUBLIC_ACCESS = {
    "BlockPublicAcls": False,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}


@dataclass(frozen=True, kw_only=True)
class Version:
    """One version of an object. `retain_until` is UTC; without a lock `mode` is "" and `retain_until` None."""

    key: str
    version: str
    size: int
    mode: str = ""
    retain_until: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Event:
    """What became of an object at one moment (UTC): a version was put, or (`deleted`) a marker over those before it."""

    key: str
    version: str
    at: datetime
    deleted: bool


@dataclass(frozen=True, kw_only=True)
class History:
    """Some of what became of the objects of a bucket. `after` is the key and version to go on behind; None: no more."""

    events: tuple[Event, ...]
    after: tuple[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class Retention:
    """A bucket's default lock: its mode and days; ("", 0) where new objects are not locked."""

    mode: str
    days: int


def exists(bucket: str) -> Request[None]:
    """Ask for the bucket: CommandFailed with code 404 if it is not there, 403 if it is another's."""
    return Request(operation="head_bucket", params={"Bucket": bucket}, parse=_nothing)


def create(bucket: str) -> Request[None]:
    """Make a bucket with Object Lock, which brings versioning and cannot be added later."""
    params = {"Bucket": bucket, "ObjectLockEnabledForBucket": True}
    return Request(operation="create_bucket", params=params, parse=_nothing)


def versioning(bucket: str) -> Request[bool]:
    """Ask whether old versions are kept."""
    params = {"Bucket": bucket}
    return Request(operation="get_bucket_versioning", params=params, parse=lambda said: said.get("Status") == "Enabled")


def retention(bucket: str) -> Request[Retention]:
    """Ask for the default lock; code 404 if the bucket was made without Object Lock."""
    return Request(operation="get_object_lock_configuration", params={"Bucket": bucket}, parse=_retention)


def lock(bucket: str, days: int) -> Request[None]:
    """Lock every new object for `days`, in the mode that nobody can lift, its owner included."""
    rule = {"DefaultRetention": {"Mode": COMPLIANCE, "Days": days}}
    params = {"Bucket": bucket, "ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled", "Rule": rule}}
    return Request(operation="put_object_lock_configuration", params=params, parse=_nothing)


def lifecycle(bucket: str) -> Request[dict[str, Any]]:
    """Ask for the lifecycle rules by id, without their filters; code 404 if there are none."""
    return Request(operation="get_bucket_lifecycle_configuration", params={"Bucket": bucket}, parse=_rules)


def forget(bucket: str, days: int) -> Request[None]:
    """Let the store drop what was deleted `days` ago, the markers over nothing, and uploads begun and never ended."""
    rules = [
        {"ID": name, "Status": "Enabled", "Filter": {"Prefix": ""}, **rule} for name, rule in forgetting(days).items()
    ]
    params = {"Bucket": bucket, "LifecycleConfiguration": {"Rules": rules}}
    return Request(operation="put_bucket_lifecycle_configuration", params=params, parse=_nothing)


def forgetting(days: int) -> dict[str, Any]:
    """Return the lifecycle rules that `forget` sets, in the shape in which `lifecycle` tells them.

    Two rules, because S3 takes the removal of markers in a rule of its own only.
    """
    return {
        "superseded": {
            "NoncurrentVersionExpiration": {"NoncurrentDays": days},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
        },
        "markers": {"Expiration": {"ExpiredObjectDeleteMarker": True}},
    }


def public_access(bucket: str) -> Request[dict[str, bool]]:
    """Ask what is done about public access; code 404 if nothing is."""
    return Request(
        operation="get_public_access_block",
        params={"Bucket": bucket},
        parse=lambda said: dict(said["PublicAccessBlockConfiguration"]),
    )


def close(bucket: str) -> Request[None]:
    """Keep the bucket from ever being public."""
    params = {"Bucket": bucket, "PublicAccessBlockConfiguration": PUBLIC_ACCESS}
    return Request(operation="put_public_access_block", params=params, parse=_nothing)


def put(bucket: str, key: str, body: bytes) -> Request[None]:
    """Put an object, under the bucket's default lock."""
    return Request(operation="put_object", params={"Bucket": bucket, "Key": key, "Body": body}, parse=_nothing)


def get(bucket: str, key: str, version: str = "") -> Request[bytes]:
    """Return an object's content, of one version if wanted; code 404 if it is not there."""
    params = {"Bucket": bucket, "Key": key} | ({"VersionId": version} if version else {})
    return Request(operation="get_object", params=params, parse=lambda said: bytes(said["Body"].read()))


def put_locked(bucket: str, key: str, body: bytes, until: datetime) -> Request[None]:
    """Put an object that nobody may delete before `until`."""
    params = {
        "Bucket": bucket,
        "Key": key,
        "Body": body,
        "ObjectLockMode": COMPLIANCE,
        "ObjectLockRetainUntilDate": until,
    }
    return Request(operation="put_object", params=params, parse=_nothing)


def head(bucket: str, key: str, version: str = "") -> Request[Version]:
    """Ask for one object's version (the current one when none is given) and its lock; code 404 if it is not there."""
    params = {"Bucket": bucket, "Key": key} | ({"VersionId": version} if version else {})
    return Request(operation="head_object", params=params, parse=lambda said: _version(key, said))


def delete_version(bucket: str, key: str, version: str, bypass: bool) -> Request[None]:
    """Delete one version for good; `bypass` claims the right to lift a governance lock."""
    params = {"Bucket": bucket, "Key": key, "VersionId": version} | _bypass(bypass)
    return Request(operation="delete_object", params=params, parse=_nothing)


def shorten(bucket: str, key: str, version: str, until: datetime, bypass: bool) -> Request[None]:
    """Ask for a lock that ends at `until`, sooner than it does."""
    kept = {"Mode": COMPLIANCE, "RetainUntilDate": until}
    params = {"Bucket": bucket, "Key": key, "VersionId": version, "Retention": kept} | _bypass(bypass)
    return Request(operation="put_object_retention", params=params, parse=_nothing)


def versions(bucket: str, prefix: str) -> Request[list[Version]]:
    """List the versions under `prefix`, newest first by key, at most 1000; locks are not in the answer."""
    return Request(operation="list_object_versions", params={"Bucket": bucket, "Prefix": prefix}, parse=_versions)


def history(bucket: str, prefix: str, after: tuple[str, str] | None = None) -> Request[History]:
    """Ask what became of the objects under `prefix`, at most 1000 events, of those behind `after`."""
    params = {"Bucket": bucket, "Prefix": prefix}
    if after:
        params |= {"KeyMarker": after[0], "VersionIdMarker": after[1]}
    return Request(operation="list_object_versions", params=params, parse=_history)


def folders(bucket: str, prefix: str) -> Request[list[str]]:
    """List the names right under `prefix` (ending in /) that hold current objects, at most 1000."""
    params = {"Bucket": bucket, "Prefix": prefix, "Delimiter": "/"}
    return Request(operation="list_objects_v2", params=params, parse=lambda said: _folders(prefix, said))


def keys(bucket: str, prefix: str, after: str = "") -> Request[list[str]]:
    """List the current keys under `prefix` that sort behind `after`, at most 1000."""
    params = {"Bucket": bucket, "Prefix": prefix, "StartAfter": after}
    return Request(
        operation="list_objects_v2", params=params, parse=lambda said: [o["Key"] for o in said.get("Contents", ())]
    )


def dated(bucket: str, prefix: str, after: str = "") -> Request[dict[str, datetime]]:
    """List the current keys under `prefix` that sort behind `after`, at most 1000, and when each was stored."""
    params = {"Bucket": bucket, "Prefix": prefix, "StartAfter": after}
    return Request(
        operation="list_objects_v2",
        params=params,
        parse=lambda said: {each["Key"]: each["LastModified"] for each in said.get("Contents", ())},
    )


def _bypass(bypass: bool) -> dict[str, Any]:
    return {"BypassGovernanceRetention": True} if bypass else {}


def _nothing(_: Mapping[str, Any]) -> None:
    return None


def _retention(said: Mapping[str, Any]) -> Retention:
    rule = said["ObjectLockConfiguration"].get("Rule", {}).get("DefaultRetention", {})
    return Retention(mode=rule.get("Mode", ""), days=rule.get("Days", 0) + 365 * rule.get("Years", 0))


def _rules(said: Mapping[str, Any]) -> dict[str, Any]:
    described = ("ID", "Status", "Filter", "Prefix")
    return {
        rule["ID"]: {key: value for key, value in rule.items() if key not in described}
        for rule in said["Rules"]
        if rule["Status"] == "Enabled"
    }


def _version(key: str, said: Mapping[str, Any]) -> Version:
    return Version(
        key=key,
        version=said.get("VersionId", ""),
        size=said["ContentLength"],
        mode=said.get("ObjectLockMode", ""),
        retain_until=said.get("ObjectLockRetainUntilDate"),
    )


def _versions(said: Mapping[str, Any]) -> list[Version]:
    return [Version(key=v["Key"], version=v["VersionId"], size=v["Size"]) for v in said.get("Versions", ())]


def _history(said: Mapping[str, Any]) -> History:
    events = [
        Event(key=each["Key"], version=each["VersionId"], at=each["LastModified"].astimezone(UTC), deleted=deleted)
        for kind, deleted in (("Versions", False), ("DeleteMarkers", True))
        for each in said.get(kind, ())
    ]
    after = (said["NextKeyMarker"], said.get("NextVersionIdMarker", "")) if said.get("IsTruncated") else None
    return History(events=tuple(events), after=after)


def _folders(prefix: str, said: Mapping[str, Any]) -> list[str]:
    return [entry["Prefix"].removeprefix(prefix).rstrip("/") for entry in said.get("CommonPrefixes", ())]
