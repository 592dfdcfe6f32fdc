"""What Pulumi made on an engine, in the form in which the embedded engine's comparison reads its own."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import docker

from infra.collect import Declared
from infra.present import ENGINE_LABEL, Present
from infra.uploads import UPLOADS_LABEL, digest

File = tuple[int, int, int, bytes]  # owner, group, mode, content


def with_the_embedded_engines_marks(made: Present, objects: Iterable[Declared]) -> Present:
    """Return what Pulumi made as if the embedded engine had: with its name, and its digest of the files, in labels."""
    found: dict[str, dict[str, Mapping[str, Any]]] = {kind: dict(named) for kind, named in made.found.items()}
    for name, network in found["network"].items():
        if ENGINE_LABEL in network["Labels"]:
            assert network["Labels"][ENGINE_LABEL] == "pulumi"
            found["network"][name] = {**network, "Labels": {**network["Labels"], ENGINE_LABEL: "embedded"}}
    for one in objects:
        if uploads := one.inputs.get("uploads"):
            container = found["container"][str(one.inputs["name"])]
            labels = {**container["Config"]["Labels"], UPLOADS_LABEL: digest(uploads)}
            found["container"][str(one.inputs["name"])] = {
                **container,
                "Config": {**container["Config"], "Labels": labels},
            }
    return Present(found=found, foreign=made.foreign, images=made.images)


def held(client: docker.DockerClient, holder: Declared) -> dict[str, File]:
    """Return the files that a holder was given, as they are in its volume."""
    stream, _ = client.api.get_archive(str(holder.inputs["name"]), "/config")
    return files(b"".join(stream))


def files(tarred: bytes) -> dict[str, File]:
    """Return owner, group, mode and content by file name."""
    with tarfile.open(fileobj=io.BytesIO(tarred)) as tar:
        return {
            Path(entry.name).name: (entry.uid, entry.gid, entry.mode & 0o7777, file.read())
            for entry in tar
            if (file := tar.extractfile(entry))
        }
