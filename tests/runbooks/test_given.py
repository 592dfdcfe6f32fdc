"""What opens the one store that is left: a key from where every tool for S3 has it, never from the command line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyrage
import pytest

from infra.identity import SecretsError, seal
from infra.secrets import S3Key, Secrets, _seal, secrets_file
from runbooks.core.errors import NotReady
from runbooks.parts import given, mirror
from tests.core.fake import SETTINGS
from tests.runbooks.fake import World

ONE, TWO = SETTINGS.sites
SECTION = "[unit-{site}]\naws_access_key_id = {site}-key\naws_secret_access_key = hush\n"


@pytest.fixture(autouse=True)
def credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the AWS credentials file, which is not there yet; nor are the environment's variables, nor the secrets."""
    file = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "")
    monkeypatch.setattr(given, "ROOT", tmp_path / "clone")
    return file


def test_the_key_is_that_of_the_stacks_section(credentials: Path) -> None:
    credentials.write_text(SECTION.format(site="two"))
    assert given._key(SETTINGS, TWO) == S3Key("two-key", "hush")
    assert given.site_of(SETTINGS, "") == TWO


def test_without_a_section_it_is_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    assert given._key(SETTINGS, ONE) == S3Key("a", "b")


def test_without_any_it_is_said_where_one_is_looked_for(credentials: Path) -> None:
    with pytest.raises(NotReady, match=rf"add a section \[unit-one\] with .* to {credentials}, or set AWS_ACCESS"):
        given._key(SETTINGS, ONE)


def test_of_two_keys_or_none_the_operator_chooses(credentials: Path) -> None:
    with pytest.raises(NotReady, match="--from one or two"):
        given.site_of(SETTINGS, "")
    credentials.write_text(SECTION.format(site="one") + SECTION.format(site="two"))
    with pytest.raises(NotReady, match="--from one or two"):
        given.site_of(SETTINGS, "")
    assert given.site_of(SETTINGS, "two") == TWO


@contextmanager
def store_with(world: World, content: bytes | None, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Have the store of `one` hold sealed secrets; yield what it was opened with."""
    store = world.stores["one"]
    seen: dict[str, Any] = {}
    store.s3.create_bucket(Bucket=store.bucket)
    if content is not None:
        store.s3.put_object(Bucket=store.bucket, Key=mirror.KEY, Body=content)

    def opening(site: Any, settings: Any, keys: Any, *_: Any) -> Any:
        seen.update(site=site.name, key=keys.s3(site.name), ca=keys.ca)
        return store

    monkeypatch.setattr(given, "Store", opening)
    monkeypatch.setattr(type(store), "close", lambda _: None, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    yield seen


def test_the_sealed_secrets_are_opened_and_put_where_up_wants_them(
    sealed_for: Secrets, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:

    sealed, authority = _seal(sealed_for), tmp_path / "ca.crt"
    authority.write_text("the authority")
    with store_with(World(), sealed, monkeypatch) as seen:
        with given.opened(SETTINGS, ONE, str(authority), keep=False) as secrets:
            assert secrets == sealed_for
        assert not secrets_file(SETTINGS, tmp_path / "clone").exists(), "a plan changes nothing"
        with given.opened(SETTINGS, ONE, str(authority), keep=True) as secrets:
            assert secrets == sealed_for
    assert seen == {"site": "one", "key": S3Key("a", "b"), "ca": "the authority"}
    file = secrets_file(SETTINGS, tmp_path / "clone")
    assert file.read_bytes() == sealed
    assert file.stat().st_mode & 0o777 == 0o600


def test_what_another_identity_sealed_does_not_stay(
    monkeypatch: pytest.MonkeyPatch, sealed_for: Secrets, tmp_path: Path
) -> None:

    stranger = str(pyrage.x25519.Identity.generate().to_public())
    with (
        store_with(World(), seal(b"{}", [stranger]), monkeypatch),
        pytest.raises(SecretsError, match="does not open it"),
        given.opened(SETTINGS, ONE, "", keep=True),
    ):
        pass
    assert not secrets_file(SETTINGS, tmp_path / "clone").exists()


def test_a_bucket_without_secrets_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        store_with(World(), None, monkeypatch),
        pytest.raises(NotReady, match=r"bucket unit-one-backup gave no separuh/secrets/secrets\.age"),
        given.opened(SETTINGS, ONE, "", keep=True),
    ):
        pass
