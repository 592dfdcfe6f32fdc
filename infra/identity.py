"""The operator's age identity: the one key that opens every stack's secrets, and its copy for break-glass."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pyrage

from infra.settings import SettingsError

OTHERS = 0o077


class SecretsError(SettingsError):
    """The stack's secrets cannot be opened or made; nothing was changed."""


def identity_file() -> Path:
    """Return where the identity is: SEPARUH_IDENTITY_FILE, else under the user's config folder."""
    if named := os.environ.get("SEPARUH_IDENTITY_FILE"):
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser() / "separuh" / "identity.txt"


def open_identity() -> list[pyrage.x25519.Identity]:
    """Read the identities of this operator. SecretsError if there is none, others may read it, or it is malformed."""
    path = identity_file()
    try:
        mode = path.stat().st_mode
        text = path.read_text()
    except FileNotFoundError:
        raise SecretsError(
            f"{path}: there is no identity, and without it no stack's secrets can be opened. Copy it from the operator "
            "who made the stack, point SEPARUH_IDENTITY_FILE at it, or unwrap the break-glass copy (docs/secrets.md)"
        ) from None
    except OSError as error:
        raise SecretsError(f"{path}: the identity cannot be read: {error.strerror}") from None
    if mode & OTHERS:
        raise SecretsError(f"{path}: others can read this identity (mode {mode & 0o777:04o}): chmod 600 {path}")
    keys = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    try:
        identities = [pyrage.x25519.Identity.from_str(key) for key in keys]
    except pyrage.IdentityError:
        identities = []
    if not identities:
        raise SecretsError(f"{path}: this is no age identity: it must hold a line that begins AGE-SECRET-KEY-1")
    return identities


def seal(content: bytes, recipients: Iterable[str]) -> bytes:
    """Encrypt `content` for the public halves of identities (`age1…`)."""
    sealed: bytes = pyrage.encrypt(content, [pyrage.x25519.Recipient.from_str(recipient) for recipient in recipients])
    return sealed


def unseal(sealed: bytes) -> bytes:
    """Decrypt what was sealed for this operator's identity. SecretsError if it was not, or is damaged."""
    try:
        content: bytes = pyrage.decrypt(sealed, open_identity())
    except pyrage.DecryptError as error:
        raise SecretsError(f"{identity_file()} does not open what was sealed: {str(error).lower()}") from None
    return content


def make_identity() -> None:
    """Make the identity with mode 0600 unless there is one. Another process that makes it first wins."""
    path = identity_file()
    if path.exists():
        return
    identity = pyrage.x25519.Identity.generate()
    write_private(path, f"# public key: {identity.to_public()}\n{identity}\n".encode(), replace=False)


def wrap_identity(passphrase: str) -> bytes:
    """Write a copy of the identity that `passphrase` opens beside it (`.age`, mode 0600), and return its bytes."""
    open_identity()
    path = identity_file()
    wrapped: bytes = pyrage.passphrase.encrypt(path.read_bytes(), passphrase)
    write_private(path.with_name(path.name + ".age"), wrapped)
    return wrapped


def unwrap_identity(wrapped: bytes, passphrase: str) -> None:
    """Put the identity back from its wrapped copy. SecretsError for a wrong passphrase, or if one is there already."""
    path = identity_file()
    if path.exists():
        raise SecretsError(f"{path}: there is an identity already: move it away first, it may open other stacks")
    try:
        text = pyrage.passphrase.decrypt(wrapped, passphrase)
    except pyrage.DecryptError:
        raise SecretsError("the passphrase does not open this copy of the identity, or the copy is damaged") from None
    write_private(path, text, replace=False)


def write_private(path: Path, content: bytes, *, replace: bool = True) -> None:
    """Write a file with mode 0600 whole or not at all. Without `replace` a file that is there already stays."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    draft = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            draft.replace(path)
        else:
            try:
                os.link(draft, path)
            except FileExistsError:
                return
    finally:
        draft.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
