"""The ways to break what a drill restores: an object of the repository, a restored file, a row of the copy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from infra.settings import Site
from runbooks.adapters import pgbackrest, postgres, restored
from runbooks.core.command import Command
from runbooks.core.host import Estate
from runbooks.core.run import Act, Run
from runbooks.parts import throwaway
from runbooks.parts.repositories import archived
from runbooks.parts.versions import history
from tests.drills.stack import Stack

REPOSITORY = "pgbackrest/"
A_PAGE = 1000  # objects that a store lists, or deletes, at once
INFORMATION = ("archive/{}/archive.info", "backup/{}/backup.info")  # each with a copy beside it


def sql(statements: str) -> Act:
    """Return what lets the copy carry out `statements`."""
    return lambda run: throwaway.copy(run).do(
        Command[Any](
            argv=("psql", "-XAtq", "--set", "ON_ERROR_STOP=1", "--dbname", run.settings.cluster), stdin=statements
        )
    )


def shell(script: str) -> Act:
    """Return what runs `script` in the copy's container; its $1 is the data folder, its $2 the database."""
    return lambda run: throwaway.copy(run).do(
        Command[Any](argv=("sh", "-ec", script, "sh", run.settings.database.path, run.settings.cluster))
    )


def shell_while_stopped(script: str) -> Act:
    """Return what stops the copy's server, runs `script`, and starts it again."""

    def breaks(run: Run) -> None:
        path = run.settings.database.path
        shell(script)(run)
        throwaway.copy(run).do(restored.start(path, 60))

    return breaks


def backup_object(change: Callable[[bytes], bytes | None]) -> Act:
    """Return what changes the largest object of the backup; to nothing deletes it."""

    def breaks(run: Run) -> None:
        prefix = f"{REPOSITORY}backup/{run.settings.cluster}/{run.recall('label')}/"
        client, bucket = _bucket(run)
        listed = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        found = [each for page in listed for each in page["Contents"]]
        key = max(found, key=lambda each: each["Size"])["Key"]
        _put(run, key, change(_get(run, key)))

    return breaks


def segment_of_the_point(change: Callable[[bytes], bytes | None]) -> Act:
    """Return what changes the segment in which the point lies."""

    def breaks(run: Run) -> None:
        point = throwaway.source(run).point
        wanted = postgres.segment(point.lsn, point.timeline)
        keys = archived(run.estate, throwaway.origin(run))
        (key,) = [key for key in keys if pgbackrest.segment(key) == wanted]
        _put(run, key, change(_get(run, key)))

    return breaks


def another_key(run: Run) -> None:
    """Let the repository be one that was encrypted with another key: the other site's."""
    (other,) = [site for site in run.settings.sites if site != throwaway.origin(run)]
    client, bucket = run.estate.store(other).client, run.settings.bucket(other)
    for name in INFORMATION:
        key = REPOSITORY + name.format(run.settings.cluster)
        theirs = client.get_object(Bucket=bucket, Key=key)["Body"].read()
        for each in (key, f"{key}.copy"):
            _put(run, each, theirs)


def expired(run: Run) -> None:
    """Let the backup be expired after it was chosen, for which there must be a later one."""
    site = throwaway.origin(run)
    program = pgbackrest.program(run.settings.cluster, run.settings.repository(site))
    for last in (("--type=full", "backup"), (f"--set={run.recall('label')}", "expire")):
        run.estate.member(site, "backup").do(Command[Any](argv=(*program, *last)))


def flipped(content: bytes) -> bytes:
    """Return `content` with one bit in its middle flipped."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def gone(content: bytes) -> None:
    """Return what leaves nothing of it."""


def everything_deleted(run: Run) -> None:
    """Let everything in the bucket be deleted, by the key with which backups are put there."""
    delete_everything(run.estate, throwaway.origin(run))


def delete_everything(estate: Estate, site: Site) -> None:
    """Delete every object of `site`'s bucket: a marker comes over each, and over the lock of each."""
    client, bucket = estate.store(site).client, estate.settings.bucket(site)
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        _delete(client, bucket, [{"Key": each["Key"]} for each in page["Contents"]])


@contextmanager
def put_back(stack: Stack, site: Site) -> Iterator[None]:
    """Put back afterwards which backups there are, and as they were: old versions are locked, so they are there."""
    client, bucket = stack.estate.store(site).client, stack.estate.settings.bucket(site)
    began, before = datetime.now(UTC), _newest(client, bucket)
    try:
        yield
    finally:
        _uncover(stack, site, began)
        now = _newest(client, bucket)
        for key in now.keys() - before.keys():
            if key.startswith(f"{REPOSITORY}backup/"):
                client.delete_object(Bucket=bucket, Key=key)
        for key, version in before.items():
            if now.get(key) != version:
                content = client.get_object(Bucket=bucket, Key=key, VersionId=version)["Body"].read()
                client.put_object(Bucket=bucket, Key=key, Body=content)


def _uncover(stack: Stack, site: Site, since: datetime) -> None:
    """Remove the markers that were laid since then: no lock is on them."""
    client, bucket = stack.estate.store(site).client, stack.estate.settings.bucket(site)
    laid = [each for each in history(stack.estate, site, "") if each.deleted and each.at >= since]
    for n in range(0, len(laid), A_PAGE):
        _delete(client, bucket, [{"Key": each.key, "VersionId": each.version} for each in laid[n : n + A_PAGE]])


def _delete(client: Any, bucket: str, objects: list[dict[str, str]]) -> None:
    failed = client.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True}).get("Errors")
    assert not failed, failed[:3]


def _newest(client: Any, bucket: str) -> Mapping[str, str]:
    """Return the version of each object that is there."""
    pages = client.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=REPOSITORY)
    listed = [each for page in pages for each in page.get("Versions", [])]
    return {each["Key"]: each["VersionId"] for each in listed if each["IsLatest"]}


def _bucket(run: Run) -> tuple[Any, str]:
    site = throwaway.origin(run)
    return run.estate.store(site).client, run.settings.bucket(site)


def _get(run: Run, key: str) -> bytes:
    client, bucket = _bucket(run)
    return bytes(client.get_object(Bucket=bucket, Key=key)["Body"].read())


def _put(run: Run, key: str, content: bytes | None) -> None:
    client, bucket = _bucket(run)
    if content is None:
        client.delete_object(Bucket=bucket, Key=key)
    else:
        client.put_object(Bucket=bucket, Key=key, Body=content)
