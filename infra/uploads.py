"""Files that a Container declares as uploads: as one archive for the engine, and as one digest for a label."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from typing import Any

from infra.collect import DeclarationError

UPLOADS_LABEL = "separuh.uploads"
_INPUTS = {"file", "content", "owner", "group", "permissions"}


def digest(uploads: Sequence[Mapping[str, Any]]) -> str:
    """Return a digest of all files with their owners and modes.

    It stands in a label for everybody to read. That tells nobody a secret, because every secret here is generated
    with 128 random bits or more, which no search over digests reaches.
    """
    whole = hashlib.sha256()
    for upload in sorted(uploads, key=lambda upload: str(upload["file"])):
        content = hashlib.sha256(upload["content"].encode()).hexdigest()
        whole.update(json.dumps([upload["file"], *_ownership(upload), content]).encode())
    return whole.hexdigest()[:32]


def archive(uploads: Sequence[Mapping[str, Any]]) -> bytes:
    """Return the files as a tar to be unpacked at `/`, with owner, group and mode."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for upload in uploads:
            content = upload["content"].encode()
            entry = tarfile.TarInfo(str(upload["file"]).lstrip("/"))
            entry.uid, entry.gid, entry.mode = _ownership(upload)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def _ownership(upload: Mapping[str, Any]) -> tuple[int, int, int]:
    """Return uid, gid and mode."""
    if upload.keys() != _INPUTS:
        raise DeclarationError(f"upload {upload['file']}: the embedded engine takes {', '.join(sorted(_INPUTS))}")
    return int(upload["owner"]), int(upload["group"]), int(upload["permissions"], 8)
