"""What a stack signs, and how anybody checks it: Ed25519 over the bytes of a file, as OpenSSL knows it too."""

from __future__ import annotations

import hashlib

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey


class NoKey(ValueError):
    """What was given as a key is no PEM public key of Ed25519."""


def new_key() -> str:
    """Make a private key, PEM."""
    return (
        Ed25519PrivateKey.generate()
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        .decode()
    )


def public_half(key: str) -> str:
    """Return the public key (PEM) of a private one."""
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return _private(key).public_key().public_bytes(encoding, form).decode()


def sign(key: str, content: bytes) -> bytes:
    """Return the signature of `content`, 64 bytes."""
    return _private(key).sign(content)


def holds(public: str, content: bytes, signature: bytes) -> bool:
    """Whether `signature` was made over exactly this content by the private half of `public`. NoKey if that is none."""
    try:
        _public(public).verify(signature, content)
    except InvalidSignature:
        return False
    return True


def name_of(public: str) -> str:
    """Return the SHA-256 of a public key's DER form, in hexadecimal: the name by which people compare keys."""
    encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return hashlib.sha256(_public(public).public_bytes(encoding, form)).hexdigest()


def _private(key: str) -> Ed25519PrivateKey:
    loaded = serialization.load_pem_private_key(key.encode(), password=None)
    assert isinstance(loaded, Ed25519PrivateKey)
    return loaded


def _public(key: str) -> Ed25519PublicKey:
    try:
        loaded = serialization.load_pem_public_key(key.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise NoKey(str(error)) from None
    if not isinstance(loaded, Ed25519PublicKey):
        raise NoKey("a public key of another kind")
    return loaded
