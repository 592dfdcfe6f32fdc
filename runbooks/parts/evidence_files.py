"""Evidence as files: the JSON and its page, each with a detached signature, and the public key that checks them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from infra import signing
from infra.secrets import Secrets
from runbooks.core.errors import NotReady, NotVerified
from runbooks.core.evidence import Evidence
from runbooks.core.game_day import GameDay
from runbooks.parts.evidence_page import page

SIGNATURE = ".sig"
PUBLIC_KEY = "evidence.pub"


@dataclass(frozen=True)
class Signed:
    """A file that is as it was signed. `key` names the public key, `beside` says that the key came with the file."""

    content: bytes
    key: str
    beside: bool


def files(evidence: Evidence | GameDay, secrets: Secrets) -> dict[str, bytes]:
    """Return the files by name, signed with the stack's key. NotReady if the stack has none yet."""
    public = public_key(secrets)
    evidence = replace(evidence, key=signing.name_of(public))
    content = evidence.dump().encode()
    written = page(evidence, hashlib.sha256(content).hexdigest()).encode()
    signed = {f"{evidence.run}.json": content, f"{evidence.run}.html": written}
    signatures = {f"{name}{SIGNATURE}": signing.sign(secrets.evidence_key, of) for name, of in signed.items()}
    return {**signed, **signatures, PUBLIC_KEY: public.encode()}


def public_key(secrets: Secrets) -> str:
    """Return the public half (PEM) of the key that signs the stack's evidence. NotReady if there is none yet."""
    if not secrets.evidence_key:
        raise NotReady(
            f"the secrets of stack {secrets.stack} are from before it signed evidence: ./inv up --stack "
            f"{secrets.stack} adds the key, and changes nothing else"
        )
    return signing.public_half(secrets.evidence_key)


def check(path: Path, key: Path | None = None) -> Signed:
    """Check the signature beside `path` by `key`, else by the key that lies beside it too.

    NotReady if one of the files is missing or is no key; NotVerified if the file is not what was signed by that key.
    """
    content, signature = _read(path), _read(path.with_name(path.name + SIGNATURE))
    public = key or path.with_name(PUBLIC_KEY)
    text = _read(public).decode(errors="replace")
    try:
        name = signing.name_of(text)
        holds = signing.holds(text, content, signature)
    except signing.NoKey as error:
        raise NotReady(f"{public}: no public key that evidence is checked by: {error}") from None
    if not holds:
        raise NotVerified(
            f"{path}: NOT what was signed by the key {name} ({public}). The file, its signature or the key was "
            "changed, or they do not belong together: fetch them again from the store, where they are locked"
        )
    return Signed(content, name, beside=key is None)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise NotReady(
            f"{path}: {(error.strerror or 'cannot be read').lower()}. A signature lies beside its file as "
            f"FILE{SIGNATURE}, the public key as {PUBLIC_KEY} or where --key says"
        ) from None
