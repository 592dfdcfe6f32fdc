"""Files that a Container declares as uploads: as one archive for the engine, and as one digest for a label."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from infra.collect import DeclarationError

UPLOADS_LABEL = "separuh.uploads"
_KNOWN = {"file", "content", "contentBase64", "source", "sourceHash", "permissions", "owner", "group", "executable"}


def digest(uploads: Sequence[Mapping[str, Any]]) -> str:
    """Return a digest of all files with their owners and modes.

    It stands in a label for everybody to read. That tells nobody a secret, because every secret here is generated
    with 128 random bits or more, which no search over digests reaches.
    """
    whole = hashlib.sha256()
    for upload in sorted(uploads, key=lambda upload: str(upload["file"])):
        owner, group, mode = _ownership(upload)
        content = hashlib.sha256(_content(upload)).hexdigest()
        whole.update(json.dumps([upload["file"], owner, group, mode, content]).encode())
    return whole.hexdigest()[:32]


def archive(uploads: Sequence[Mapping[str, Any]]) -> bytes:
    """Return the files as a tar to be unpacked at `/`, with owner, group and mode."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for upload in uploads:
            content = _content(upload)
            entry = tarfile.TarInfo(str(upload["file"]).lstrip("/"))
            entry.uid, entry.gid, entry.mode = _ownership(upload)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def _content(upload: Mapping[str, Any]) -> bytes:
    unknown = sorted(set(upload) - _KNOWN)
    if unknown:
        raise DeclarationError(f"upload {upload['file']}: the embedded engine does not know {', '.join(unknown)}")
    if "source" in upload:
        return Path(upload["source"]).read_bytes()
    if "contentBase64" in upload:
        return base64.b64decode(upload["contentBase64"])
    return str(upload.get("content", "")).encode()


def _ownership(upload: Mapping[str, Any]) -> tuple[int, int, int]:
    """Return uid, gid and mode; the provider's own defaults are root and 0644."""
    mode = upload.get("permissions") or ("0744" if upload.get("executable") else "0644")
    try:
        return int(upload.get("owner") or 0), int(upload.get("group") or 0), int(mode, 8)
    except ValueError as error:
        raise DeclarationError(f"upload {upload['file']}: owner and group are numbers, permissions octal") from error
