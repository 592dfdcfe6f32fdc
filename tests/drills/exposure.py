"""All that can be read of a stack without its age file, and what must not be found in it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from runbooks.core.host import Estate
from tests.drills.containers import labelled
from tests.drills.stack import docker

Texts = Iterator[tuple[str, bytes]]
HEADER = "-----BEGIN"
PROCESSES = "for f in /proc/[0-9]*/cmdline /proc/[0-9]*/environ; do cat $f; echo; done 2>/dev/null; true"
OURS = "separuh/"  # in a bucket: the ledger, the canaries, the mirrored secrets; the rest pgBackRest has encrypted


def needles(values: Iterable[str]) -> list[bytes]:
    """Return what to look for: a value itself, or a private key's first line, which is its own from column 48 on."""
    return [(value.splitlines()[1] if value.startswith(HEADER) else value).encode() for value in values]


def found(wanted: Iterable[bytes], texts: Texts) -> set[str]:
    """Return where any of `wanted` stands; never the value itself, since this is what a failed test prints."""
    sought = list(wanted)
    return {where for where, text in texts if any(needle in text for needle in sought)}


def of_container(name: str) -> Texts:
    """Yield what the engine shows of one container, its log, and its processes' arguments and environment."""
    yield f"inspect {name}", docker("container", "inspect", name).encode()
    logs = subprocess.run(["docker", "logs", name], check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    yield f"log of {name}", logs.stdout
    if "true" in docker("container", "inspect", "--format", "{{.State.Running}}", name):
        yield f"top {name}", docker("top", name, "-eo", "pid,args").encode()
        inside = ["docker", "exec", name, "sh", "-c", PROCESSES]
        yield f"processes of {name}", subprocess.run(inside, check=True, capture_output=True).stdout


def of_engine(stack: str) -> Texts:
    """Yield all that the engine shows of the stack."""
    for name in labelled("container", stack):
        yield from of_container(name)
    for kind in ("network", "volume"):
        for name in labelled(kind, stack):
            yield f"inspect {name}", docker(kind, "inspect", name).encode()
    images = set(docker("ps", "--filter", f"label=separuh.stack={stack}", "--format", "{{.Image}}").split())
    for image in images:
        yield f"inspect {image}", docker("image", "inspect", image).encode()
        yield f"history of {image}", docker("history", "--no-trunc", image).encode()


def of_checkout(folder: Path) -> Texts:
    """Yield every file under `folder`: ledger, journal, pins, Pulumi's state, and the sealed secrets themselves."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield str(path), path.read_bytes()


def of_stores(estate: Estate) -> Texts:
    """Yield every version of every object of ours in both buckets."""
    for site in estate.settings.sites:
        client, bucket = estate.store(site).client, estate.settings.bucket(site)
        for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=OURS):
            for version in page.get("Versions", ()):
                which = {"Bucket": bucket, "Key": version["Key"], "VersionId": version["VersionId"]}
                answer = client.get_object(**which)
                yield f"{bucket}/{version['Key']}", answer["Body"].read() + repr(answer).encode()


def of_quorum(estate: Estate) -> Texts:
    """Yield all that etcd keeps: what Patroni shares, the lease, the head of a run."""
    tls = ("--cacert=/config/ca.crt", "--cert=/config/tls.crt", "--key=/config/tls.key")
    member = f"{estate.settings.stack}-{estate.settings.witness.name}-etcd-1"
    yield "etcd", docker("exec", member, "etcdctl", *tls, "get", "", "--prefix").encode()


def of_machine() -> Texts:
    """Yield arguments and environment of every process that this machine's kernel shows, containers' included."""
    for process in Path("/proc").glob("[0-9]*"):
        for part in ("cmdline", "environ"):
            try:
                yield f"{part} of {(process / 'comm').read_text().strip()}", (process / part).read_bytes()
            except OSError:
                continue  # it has ended, or is another user's
