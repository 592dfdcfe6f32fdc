"""A stack's secrets: made once, opened by the right identity alone, and every refusal says what to do."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pyrage
import pytest

from infra import identity
from infra.identity import SecretsError
from infra.secrets import Secrets, admit, create, ensure, open_secrets, secrets_file
from infra.settings import ROOT, Settings, load


@pytest.fixture
def settings() -> Settings:
    return load("dev", ROOT)


@pytest.fixture(autouse=True)
def identity_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "operator" / "identity.txt"
    monkeypatch.setenv("SEPARUH_IDENTITY_FILE", str(path))
    return path


def test_first_load_makes_them_and_the_second_finds_the_same(settings: Settings, tmp_path: Path) -> None:
    first = ensure(settings, tmp_path, living=False)
    sealed = secrets_file(settings, tmp_path).read_bytes()
    assert ensure(settings, tmp_path, living=False) == first
    assert ensure(settings, tmp_path, living=True) == first
    assert secrets_file(settings, tmp_path).read_bytes() == sealed


def test_file_and_identity_are_the_operators_alone(settings: Settings, tmp_path: Path, identity_path: Path) -> None:
    ensure(settings, tmp_path, living=False)
    assert oct(identity_path.stat().st_mode)[-3:] == "600"
    assert oct(secrets_file(settings, tmp_path).stat().st_mode)[-3:] == "600"


def test_no_value_stands_in_the_file_or_in_a_repr(settings: Settings, tmp_path: Path) -> None:
    made = ensure(settings, tmp_path, living=False)
    sealed = secrets_file(settings, tmp_path).read_bytes()
    values = list(made.values())
    assert len(values) == len(set(values)) == 5 + 2 + 2 + 1 + 19 + 1
    assert not [value for value in values if value in repr(made) or value.encode() in sealed]


def test_a_new_member_gets_its_certificate_and_nothing_else_changes(settings: Settings, tmp_path: Path) -> None:
    before = ensure(settings, tmp_path, living=False)
    grown = replace(settings, sites=(replace(settings.sites[0], apis=3), settings.sites[1]))
    after = ensure(grown, tmp_path, living=True)
    assert set(after.leaves) - set(before.leaves) == {"dev-jkt-api-3"}
    assert replace(after, leaves=before.leaves) == before
    assert {name: after.leaf(name) for name in before.leaves} == before.leaves
    assert open_secrets(grown, tmp_path) == after


def test_a_file_from_before_there_was_evidence_gets_a_key_and_keeps_all_else(
    settings: Settings, tmp_path: Path, identity_path: Path
) -> None:
    made = ensure(settings, tmp_path, living=False)
    payload = json.loads(opened_by_hand(settings, tmp_path, identity_path))
    del payload["evidence_key"]
    recipients = [pyrage.x25519.Recipient.from_str(text) for text in made.recipients]
    secrets_file(settings, tmp_path).write_bytes(pyrage.encrypt(json.dumps(payload).encode(), recipients))
    old = open_secrets(settings, tmp_path)
    assert old == replace(made, evidence_key="")
    assert "" not in old.values()
    grown = ensure(settings, tmp_path, living=True)
    assert replace(grown, evidence_key=made.evidence_key) == made
    assert grown.evidence_key.startswith("-----BEGIN PRIVATE KEY-----")
    assert open_secrets(settings, tmp_path) == ensure(settings, tmp_path, living=True) == grown


def test_a_missing_file_of_a_living_stack_is_refused(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(SecretsError, match=r"secrets\.age: stack dev is alive.*Copy the file from"):
        ensure(settings, tmp_path, living=True)
    assert not secrets_file(settings, tmp_path).exists()


def test_a_missing_identity_is_refused_and_none_is_made(
    settings: Settings, tmp_path: Path, identity_path: Path
) -> None:
    ensure(settings, tmp_path, living=False)
    identity_path.unlink()
    with pytest.raises(SecretsError, match=r"identity\.txt: there is no identity.*SEPARUH_IDENTITY_FILE"):
        ensure(settings, tmp_path, living=False)
    assert not identity_path.exists()


def test_another_identity_is_refused(settings: Settings, tmp_path: Path, identity_path: Path) -> None:
    ensure(settings, tmp_path, living=False)
    identity_path.unlink()
    identity.make_identity()
    with pytest.raises(SecretsError, match=r"does not open it.*Use the identity with which"):
        ensure(settings, tmp_path, living=True)


def test_an_identity_that_others_can_read_is_refused(settings: Settings, tmp_path: Path, identity_path: Path) -> None:
    ensure(settings, tmp_path, living=False)
    identity_path.chmod(0o640)
    with pytest.raises(SecretsError, match=r"others can read this identity \(mode 0640\): chmod 600"):
        ensure(settings, tmp_path, living=True)


def test_an_identity_that_is_none_is_refused(settings: Settings, tmp_path: Path, identity_path: Path) -> None:
    identity.write_private(identity_path, b"ssh-ed25519 AAAA\n")
    with pytest.raises(SecretsError, match="no age identity"):
        ensure(settings, tmp_path, living=False)
    assert identity_path.read_bytes() == b"ssh-ed25519 AAAA\n"


def test_a_damaged_file_is_refused(settings: Settings, tmp_path: Path) -> None:
    ensure(settings, tmp_path, living=False)
    path = secrets_file(settings, tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(SecretsError, match="does not open it"):
        ensure(settings, tmp_path, living=True)


def test_secrets_of_another_stack_are_refused(settings: Settings, tmp_path: Path) -> None:
    ensure(settings, tmp_path, living=False)
    other = replace(settings, stack="other")
    identity.write_private(secrets_file(other, tmp_path), secrets_file(settings, tmp_path).read_bytes())
    with pytest.raises(SecretsError, match="secrets of stack dev, not of other"):
        ensure(other, tmp_path, living=True)


def test_an_unknown_field_is_refused_without_showing_a_value(
    settings: Settings, tmp_path: Path, identity_path: Path
) -> None:
    made = ensure(settings, tmp_path, living=False)
    payload = json.loads(opened_by_hand(settings, tmp_path, identity_path)) | {"later": "s3cr3t-of-tomorrow"}
    recipients = [pyrage.x25519.Recipient.from_str(text) for text in made.recipients]
    secrets_file(settings, tmp_path).write_bytes(pyrage.encrypt(json.dumps(payload).encode(), recipients))
    with pytest.raises(SecretsError, match="not understood at 'later'") as refused:
        ensure(settings, tmp_path, living=True)
    assert "s3cr3t" not in str(refused.value)


def test_two_that_create_at_once_end_with_the_same(settings: Settings, tmp_path: Path) -> None:
    assert create(settings, tmp_path) == create(settings, tmp_path)


def test_a_committed_file_wins(settings: Settings, tmp_path: Path) -> None:
    ensure(settings, tmp_path, living=False)
    (tmp_path / "secrets").mkdir()
    local = secrets_file(settings, tmp_path)
    committed = local.rename(tmp_path / "secrets" / "dev.age")
    assert secrets_file(settings, tmp_path) == committed
    assert ensure(settings, tmp_path, living=True).stack == "dev"
    assert not local.exists()


def test_an_admitted_colleague_opens_the_file_and_stays_admitted(
    settings: Settings, tmp_path: Path, identity_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = ensure(settings, tmp_path, living=False)
    colleague = tmp_path / "colleague.txt"
    monkeypatch.setenv("SEPARUH_IDENTITY_FILE", str(colleague))
    identity.make_identity()
    recipient = str(identity.open_identity()[0].to_public())
    monkeypatch.setenv("SEPARUH_IDENTITY_FILE", str(identity_path))
    admit(settings, tmp_path, recipient)
    grown = replace(settings, sites=(replace(settings.sites[0], apis=3), settings.sites[1]))
    ensure(grown, tmp_path, living=True)
    monkeypatch.setenv("SEPARUH_IDENTITY_FILE", str(colleague))
    assert open_secrets(settings, tmp_path).passwords == made.passwords
    with pytest.raises(SecretsError, match="no age recipient"):
        admit(settings, tmp_path, "not-a-recipient")


def test_the_key_of_a_companys_own_store_comes_from_the_aws_credentials_file(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    credentials = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    own = replace(settings.sites[0], s3_endpoint="https://s3.example.co.id")
    settings = replace(settings, sites=(own, settings.sites[1]))
    with pytest.raises(SecretsError, match=r"add a section \[dev-jkt\]"):
        ensure(settings, tmp_path, living=False)
    assert not secrets_file(settings, tmp_path).exists()
    credentials.write_text("[dev-jkt]\naws_access_key_id = AK\naws_secret_access_key = 100%key\n")
    made = ensure(settings, tmp_path, living=False)
    assert (made.s3("jkt").access_key, made.s3("jkt").secret_key) == ("AK", "100%key")
    credentials.unlink()
    assert ensure(settings, tmp_path, living=True) == made


@pytest.mark.thorough
def test_the_wrapped_identity_comes_back_with_its_passphrase_only(
    settings: Settings, tmp_path: Path, identity_path: Path
) -> None:
    made = ensure(settings, tmp_path, living=False)
    wrapped = identity.wrap_identity("empat kata yang panjang")
    beside = identity_path.with_name("identity.txt.age")
    assert beside.read_bytes() == wrapped
    assert oct(beside.stat().st_mode)[-3:] == "600"
    with pytest.raises(SecretsError, match="there is an identity already"):
        identity.unwrap_identity(wrapped, "empat kata yang panjang")
    identity_path.unlink()
    with pytest.raises(SecretsError, match="passphrase does not open"):
        identity.unwrap_identity(wrapped, "salah")
    identity.unwrap_identity(wrapped, "empat kata yang panjang")
    assert open_secrets(settings, tmp_path) == made


@pytest.mark.skipif(not shutil.which("age"), reason="the age command is not installed here")
def test_the_age_command_opens_it(settings: Settings, tmp_path: Path, identity_path: Path) -> None:
    made = ensure(settings, tmp_path, living=False)
    payload = json.loads(opened_by_hand(settings, tmp_path, identity_path, with_command=True))
    assert payload["passwords"] == made.passwords
    assert Secrets(**payload) == made


def opened_by_hand(settings: Settings, root: Path, identity_path: Path, with_command: bool = False) -> bytes:
    path = secrets_file(settings, root)
    if with_command:
        argv = ["age", "--decrypt", "--identity", str(identity_path), str(path)]
        return subprocess.run(argv, check=True, capture_output=True).stdout
    opened: bytes = pyrage.decrypt(path.read_bytes(), identity.open_identity())
    return opened
