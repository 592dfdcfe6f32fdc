"""S3 requests sent to moto, for their shapes. Whether a lock holds only a real store can show (a drill)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from runbooks.adapters import s3
from runbooks.core.command import Request, T
from tests.s3 import in_memory

BUCKET = "unit-one-backup"


class Client:
    """Sends requests as the estate's Store does."""

    def __init__(self) -> None:
        """Speak to moto."""
        self.s3: Any = boto3.client("s3", region_name="us-east-1", aws_access_key_id="k", aws_secret_access_key="s")  # noqa: S106 - moto takes any

    def send(self, request: Request[T]) -> T:
        """Return the parsed answer."""
        return request.parse(getattr(self.s3, request.operation)(**request.params))


@pytest.fixture
def client() -> Iterator[Client]:
    """A client whose bucket was made with a lock."""
    with in_memory():
        client = Client()
        client.send(s3.create(BUCKET))
        yield client


def test_a_bucket_is_made_with_lock_and_versions(client: Client) -> None:
    """Versioning comes with Object Lock."""
    client.send(s3.exists(BUCKET))
    assert client.send(s3.versioning(BUCKET))
    assert client.send(s3.retention(BUCKET)) == s3.Retention(mode="", days=0)


def test_what_is_set_is_what_is_read(client: Client) -> None:
    """Each setting can be compared with what is wanted."""
    client.send(s3.lock(BUCKET, 14))
    client.send(s3.forget(BUCKET, 14))
    client.send(s3.close(BUCKET))
    assert client.send(s3.retention(BUCKET)) == s3.Retention(mode=s3.COMPLIANCE, days=14)
    assert client.send(s3.lifecycle(BUCKET)) == s3.forgetting(14)
    assert client.send(s3.public_access(BUCKET)) == s3.PUBLIC_ACCESS


def test_a_locked_object_and_its_versions(client: Client) -> None:
    """The lock is read back; deletion is refused with and without bypass."""
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    client.send(s3.put_locked(BUCKET, "separuh/canary/r1", b"r1", until))
    (only,) = client.send(s3.versions(BUCKET, "separuh/canary/"))
    head = client.send(s3.head(BUCKET, "separuh/canary/r1", only.version))
    assert (head.mode, head.retain_until, head.size) == (s3.COMPLIANCE, until, 2)
    for bypass in (False, True):
        with pytest.raises(ClientError, match="AccessDenied"):
            client.send(s3.delete_version(BUCKET, "separuh/canary/r1", only.version, bypass))


def test_attempts_name_the_version_and_claim_the_bypass() -> None:
    """A request without VersionId would only add a marker, and prove nothing."""
    until = datetime(2026, 1, 1, tzinfo=UTC)
    assert s3.delete_version("b", "k", "v", bypass=True).params == {
        "Bucket": "b",
        "Key": "k",
        "VersionId": "v",
        "BypassGovernanceRetention": True,
    }
    assert s3.shorten("b", "k", "v", until, bypass=False).params == {
        "Bucket": "b",
        "Key": "k",
        "VersionId": "v",
        "Retention": {"Mode": "COMPLIANCE", "RetainUntilDate": until},
    }


def test_keys_and_folders(client: Client) -> None:
    """Pages go on behind the last key."""
    for key in ("p/a/1", "p/b/2", "p/c"):
        client.s3.put_object(Bucket=BUCKET, Key=key, Body=b"")
    assert client.send(s3.keys(BUCKET, "p/")) == ["p/a/1", "p/b/2", "p/c"]
    assert client.send(s3.keys(BUCKET, "p/", after="p/b/2")) == ["p/c"]
    assert client.send(s3.folders(BUCKET, "p/")) == ["a", "b"]


def test_what_became_of_objects(client: Client) -> None:
    """Versions and the markers over them, page by page; an old version can still be read."""
    for key in ("a", "b"):
        client.send(s3.put(BUCKET, key, key.encode()))
    client.s3.delete_object(Bucket=BUCKET, Key="a")
    found = client.send(s3.history(BUCKET, ""))
    assert sorted((event.key, event.deleted) for event in found.events) == [("a", False), ("a", True), ("b", False)]
    assert found.after is None
    (first,) = [event for event in found.events if event.key == "a" and not event.deleted]
    assert client.send(s3.get(BUCKET, "a", first.version)) == b"a"
    paged = s3.history(BUCKET, "", ("a", first.version))
    assert (paged.params["KeyMarker"], paged.params["VersionIdMarker"]) == ("a", first.version)
    page = paged.parse({"IsTruncated": True, "NextKeyMarker": "b", "NextVersionIdMarker": "v"})
    assert page == s3.History(events=(), after=("b", "v"))
