"""The image that all others are built on: Debian 13, pulled by digest, or made with mmdebstrap without a registry."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import docker
from docker.errors import DockerException, ImageNotFound

from infra import failures
from infra.machine import STATE, MachineError
from infra.say import Say, say_on_stderr

TAG = "debian:trixie-slim"
SUITE = "trixie"
# The index over all platforms of Debian 13's slim image; what it names can never change.
DIGEST = "sha256:a29215f6a35e51e22adffa17f89e9d2ef06214e64a2bad10d765c46aea49f11f"
REGISTRY_SECONDS = 10  # for the registry's first answer; the download itself may take longer
MAKE_SECONDS = 600


def ensure(client: docker.DockerClient, say: Say = say_on_stderr, memory: Path = STATE) -> str:
    """Return the id of the base image on the engine of `client`, pulling or making it where it is missing.

    That no registry answered is remembered for a day in the folder `memory`.
    MachineError where no registry answers and no mmdebstrap can be run.
    """
    try:
        return client.images.get(TAG).id or ""
    except ImageNotFound:
        pass
    if failures.recall("registry", memory) or not _pull(client, say, memory):
        _make(client, say, memory)
    return client.images.get(TAG).id or ""


def _pull(client: docker.DockerClient, say: Say, memory: Path) -> bool:
    repository, tag = TAG.split(":")
    patience, client.api.timeout = client.api.timeout, REGISTRY_SECONDS
    try:
        client.api.inspect_distribution(f"{repository}@{DIGEST}")  # type: ignore[no-untyped-call]
        client.api.timeout = patience
        say(f"pulling the base image {TAG} by its digest")
        client.images.pull(repository, tag=DIGEST).tag(repository, tag)
    except (DockerException, OSError) as error:
        failures.remember("registry", str(error), memory)
        return False
    finally:
        client.api.timeout = patience
    return True


def _make(client: docker.DockerClient, say: Say, memory: Path) -> None:
    if shutil.which("mmdebstrap") is None or os.geteuid() != 0:
        raise MachineError(
            f"no image registry answers ({failures.recall('registry', memory)}), and the base image can only be made "
            f"as root with mmdebstrap: apt-get install mmdebstrap, or load {TAG} with `docker load`"
        )
    say(f"no image registry answers: making the base image {TAG} with mmdebstrap (about half a minute)")
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "base.tar"
        made = subprocess.run(
            ("mmdebstrap", "--quiet", "--variant=minbase", SUITE, str(archive)),
            capture_output=True,
            text=True,
            timeout=MAKE_SECONDS,
            check=False,
        )
        if made.returncode:
            tail = "\n".join(f"    {line}" for line in made.stderr.strip().splitlines()[-5:])
            raise MachineError(f"mmdebstrap could not make the base image; is Debian's mirror reachable?\n{tail}")
        repository, tag = TAG.split(":")
        with archive.open("rb") as content:
            client.api.import_image_from_data(content, repository=repository, tag=tag)
