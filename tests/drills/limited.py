"""Disks that can be full: a file system of a fixed size at a folder, or at the data of a volume that `up` will make."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from infra.images import of_role
from infra.sections import MiB
from tests.drills.stack import docker


@contextmanager
def small_disk(folder: Path, size: int, uid: int = 0) -> Iterator[Path]:
    """Mount `size` bytes, owned by `uid`, at `folder`, which is made; what the folder held before is hidden meanwhile.

    ext4 in a file, not tmpfs: its bytes must not count as the memory of the container that writes them.
    """
    image = folder.with_name(f"{folder.name}.disk")
    folder.mkdir(parents=True, exist_ok=True)
    with image.open("wb") as file:
        file.truncate(size)
    _run("mkfs.ext4", "-q", "-F", "-m", "0", "-E", f"root_owner={uid}:{uid}", str(image))
    _run("mount", "-o", "loop", str(image), str(folder))
    try:
        (folder / "lost+found").rmdir()
        folder.chmod(0o700)
        yield folder
    finally:
        _run("umount", "--lazy", str(folder))  # containers that use it go later
        image.unlink()


@contextmanager
def small_volume(container: str, role: str, size: int) -> Iterator[Path]:
    """Let the data volume that `up` will make for `container` be of `size` bytes: the engine adopts what it finds."""
    volumes = Path(docker("info", "--format", "{{.DockerRootDir}}").strip()) / "volumes"
    with small_disk(volumes / f"{container}-data" / "_data", size, of_role(role).uid) as folder:
        yield folder


@contextmanager
def filled(folder: Path, left: int = 0) -> Iterator[None]:
    """Leave `left` bytes of `folder`'s disk meanwhile."""
    filler = folder / "filler"
    try:
        fill_up(filler, left)
        yield
    finally:
        filler.unlink(missing_ok=True)


def fill_up(filler: Path, left: int) -> None:
    """Take all blocks but `left` bytes, without writing them; whoever else takes some meanwhile is welcome."""
    with filler.open("wb") as file:
        while (more := _free(filler) - left) >= MiB:
            with suppress(OSError):
                os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, more)


def _free(path: Path) -> int:
    disk = os.statvfs(path)
    return disk.f_bavail * disk.f_frsize


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True)
