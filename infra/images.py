"""The images of the estate: which role runs which, how a tag is made, and that every place has what it runs.

An image is built on the operator's engine, once, and only when a member asks for it that has no pin yet. Its tag is the
hash of all that went in: base image, Dockerfile, copied files, and the packages that the build resolved.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import docker
from docker.errors import BuildError, ImageNotFound
from docker.models.images import Image as Built

from infra import base_image
from infra.say import Say
from infra.settings import ROOT, SettingsError

CONTEXT = ROOT / "infra" / "images"
PACKAGES = "/usr/share/separuh/packages"
INPUTS = "separuh.inputs"
AT_ONCE = 2


class ImagesError(SettingsError):
    """An image cannot be built or found; the message says which, on which engine, and what to do."""


@dataclass(frozen=True)
class Image:
    """One folder of `infra/images/`. `uid` is user and group of whatever runs in it."""

    name: str
    uid: int


IMAGES = {
    image.name: image
    for image in (
        Image("base", 65534),
        Image("database", 5432),
        Image("etcd", 2379),
        Image("pooler", 6432),
        Image("proxy", 8404),
        Image("api", 8000),
        Image("store", 9000),
        Image("fault", 0),  # no member runs it: a game day does, with the one right that a fault takes
    )
}
ROLES = {
    "etcd": "etcd",
    "detector": "etcd",
    "db": "database",
    "backup": "database",
    "pooler": "pooler",
    "route": "proxy",
    "gateway": "proxy",
    "api": "api",
    "store": "store",
}


def of_role(role: str) -> Image:
    """Return the image that `role` runs."""
    return IMAGES[ROLES[role]]


def build(names: frozenset[str], client: docker.DockerClient, say: Say = print) -> dict[str, str]:
    """Build what is missing of `names` on the engine of `client`; return each name's tag.

    At most two at a time: a build is downloads and compression, and the machine has other work. ImagesError names the
    image whose build failed, with the last lines of its output.
    """
    common = _made(client, "base", base_image.ensure(client, say), base_image.TAG, say)
    base = common.tags[0]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        made = pool.map(lambda name: (name, _made(client, name, base, base, say).tags[0]), sorted(names))
        return dict(made)


def _made(client: docker.DockerClient, name: str, parent: str, base: str, say: Say) -> Built:
    """Return the image made from exactly these inputs, from an earlier build or a new one."""
    inputs = _digest(parent, *(f"{path}\0{mode}\0{content!r}" for path, mode, content in _files(name)))
    for known in client.images.list(filters={"label": f"{INPUTS}={inputs}"}):
        if known.tags:
            return known
    say(f"building the image {name}")
    uid = str(IMAGES[name].uid)
    try:
        built, _ = client.images.build(
            fileobj=_context(name),
            custom_context=True,
            dockerfile=f"{name}/Dockerfile",
            buildargs={"BASE": base, "UID": uid, "GID": uid},
            labels={INPUTS: inputs},
            rm=True,
            forcerm=True,
        )
    except BuildError as error:
        lines = "".join(str(line.get("stream", "")) for line in error.build_log).strip().splitlines()
        tail = "\n".join(f"    {line}" for line in lines[-8:])
        raise ImagesError(f"the image {name} could not be built: {error.msg}\n{tail}") from None
    tag = _digest(inputs, _packages(client, built))
    try:
        return client.images.get(f"separuh/{name}:{tag}")  # another `up` was faster: a tag that members run never moves
    except ImageNotFound:
        built.tag(f"separuh/{name}", tag=tag)
    return client.images.get(built.id or "")


def _files(name: str) -> Iterator[tuple[str, int, bytes]]:
    """Yield path in the context, mode and content of all that `name`'s build can copy, in one order everywhere."""
    folders = (CONTEXT / name, CONTEXT / "common") if name == "base" else (CONTEXT / name,)
    for path in sorted(path for folder in folders for path in folder.rglob("*") if path.is_file()):
        if "__pycache__" not in path.parts:
            mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
            yield str(path.relative_to(CONTEXT)), mode, path.read_bytes()


def _context(name: str) -> io.BytesIO:
    tar_bytes = io.BytesIO()
    with tarfile.open(fileobj=tar_bytes, mode="w") as tar:
        for path, mode, content in _files(name):
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
    tar_bytes.seek(0)
    return tar_bytes


def _packages(client: docker.DockerClient, built: Built) -> str:
    """Return the Debian packages of an image with their versions, read from a container that is never started."""
    container = client.containers.create(built.id or "")
    try:
        chunks, _ = container.get_archive(PACKAGES)
        with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
            file = tar.extractfile(Path(PACKAGES).name)
            return file.read().decode() if file else ""
    finally:
        container.remove()


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def missing(tags: Mapping[str, str], client: docker.DockerClient) -> frozenset[str]:
    """Return which of the images that `tags` (container: tag) names are not on the engine of `client`."""
    present = {tag for image in client.images.list() for tag in image.tags}
    return frozenset(tags.values()) - present
