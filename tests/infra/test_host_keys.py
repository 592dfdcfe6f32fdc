"""Keys of test hosts are made once, are the checkout's own, and are known before the first connection."""

from __future__ import annotations

import io
import shutil
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from infra import host_keys
from infra.settings import Place, Settings, SettingsError, Site, Ssh


def staging(root: Path, folder: str = ".separuh/staging/ssh") -> Settings:
    """Return a stack of three hosts whose keys are to lie in `folder`."""
    keys = root / folder
    return Settings(
        stack="staging",
        sites=(
            Site(name="jkt", city="Jakarta", engine="ssh://root@198.18.7.11"),
            Site(name="sby", city="Surabaya", engine="ssh://root@198.18.7.12:2222"),
        ),
        witness=Place(name="bdg", city="Bandung", engine="ssh://root@198.18.7.13"),
        ssh=Ssh(identity_file=str(keys / "id_ed25519"), known_hosts=str(keys / "known_hosts")),
    )


def test_keys_are_made_once_and_for_their_owner_alone(tmp_path: Path) -> None:
    settings = staging(tmp_path)
    keys = host_keys.ensure(settings, tmp_path)
    assert host_keys.ensure(settings, tmp_path) == keys
    assert len({keys.operator.public, *(pair.public for pair in keys.hosts.values())}) == 4
    folder = tmp_path / ".separuh/staging/ssh"
    private = [path for path in folder.iterdir() if path.name != "known_hosts"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}
    assert len(private) == 4
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="OpenSSH's client is not installed here")
def test_openssh_reads_what_was_written(tmp_path: Path) -> None:
    keys = host_keys.ensure(staging(tmp_path), tmp_path)
    folder = tmp_path / ".separuh/staging/ssh"
    told = subprocess.run(("ssh-keygen", "-y", "-f", folder / "id_ed25519"), capture_output=True, text=True, check=True)
    assert told.stdout.strip() == keys.operator.public
    found = subprocess.run(
        ("ssh-keygen", "-F", "[198.18.7.12]:2222", "-f", folder / "known_hosts"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert keys.hosts["sby"].public in found.stdout


def test_a_host_gets_its_own_key_and_the_operators_public_half(tmp_path: Path) -> None:
    settings = staging(tmp_path)
    keys = host_keys.ensure(settings, tmp_path)
    with tarfile.open(fileobj=io.BytesIO(keys.files(settings.witness))) as tar:
        files = {entry.name: tar.extractfile(entry) for entry in tar}
        assert {name: file.read().decode() for name, file in files.items() if file} == {
            "etc/ssh/ssh_host_ed25519_key": keys.hosts["bdg"].private,
            "root/.ssh/authorized_keys": keys.operator.public + "\n",
        }
        assert {entry.mode for entry in tar} == {0o600}


def test_an_operators_own_keys_are_never_written(tmp_path: Path) -> None:
    own = tmp_path / "home/.ssh"
    with pytest.raises(SettingsError, match=r"keys outside \.separuh/staging/ssh"):
        host_keys.ensure(staging(tmp_path, "home/.ssh"), tmp_path)
    assert not own.exists()


def test_a_private_key_does_not_show(tmp_path: Path) -> None:
    keys = host_keys.ensure(staging(tmp_path), tmp_path)
    assert "PRIVATE" not in repr(keys)
