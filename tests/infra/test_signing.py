"""Signatures: by one key, over exactly these bytes, and OpenSSL says the same."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra import signing
from infra.certificates import new_authority
from infra.signing import NoKey, holds, name_of, public_half, sign

KEY = signing.new_key()
PUBLIC = public_half(KEY)
CONTENT = b'{"pulih": "ya"}\n' * 3
SIGNATURE = sign(KEY, CONTENT)


def altered(content: bytes) -> st.SearchStrategy[bytes]:
    """Return other bytes: one changed, cut off, put in."""
    at = st.integers(0, len(content) - 1)
    changed = st.builds(
        lambda n, by: content[:n] + bytes([content[n] ^ by]) + content[n + 1 :], at, st.integers(1, 255)
    )
    return st.one_of(changed, at.map(lambda n: content[:n]), st.binary(min_size=1).map(lambda more: content + more))


@settings(max_examples=300, deadline=None)
@given(altered(CONTENT))
def test_other_content_is_not_what_was_signed(content: bytes) -> None:
    assert holds(PUBLIC, CONTENT, SIGNATURE)
    assert not holds(PUBLIC, content, SIGNATURE)


@settings(max_examples=300, deadline=None)
@given(altered(SIGNATURE))
def test_no_other_signature_holds(signature: bytes) -> None:
    assert not holds(PUBLIC, CONTENT, signature)


def test_another_key_did_not_sign_it() -> None:
    assert not holds(public_half(signing.new_key()), CONTENT, SIGNATURE)


@pytest.mark.parametrize("text", ["", "key", PUBLIC[:40], KEY, new_authority("dev").certificate])
def test_what_is_no_public_key_is_refused(text: str) -> None:
    with pytest.raises(NoKey):
        holds(text, CONTENT, SIGNATURE)


@pytest.mark.skipif(not shutil.which("openssl"), reason="the openssl command is not installed here")
def test_openssl_agrees(tmp_path: Path) -> None:
    for name, content in {"key": PUBLIC.encode(), "file": CONTENT, "sig": SIGNATURE, "no": SIGNATURE[::-1]}.items():
        (tmp_path / name).write_bytes(content)
    check = ("openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "key", "-rawin", "-in", "file", "-sigfile")
    assert subprocess.run((*check, "sig"), cwd=tmp_path, check=False).returncode == 0
    assert subprocess.run((*check, "no"), cwd=tmp_path, check=False).returncode != 0
    der = subprocess.run(
        ("openssl", "pkey", "-pubin", "-in", "key", "-outform", "DER"), cwd=tmp_path, check=True, capture_output=True
    )
    named = subprocess.run(("openssl", "dgst", "-sha256", "-r"), input=der.stdout, check=True, capture_output=True)
    assert named.stdout.decode().startswith(name_of(PUBLIC))
