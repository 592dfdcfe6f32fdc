"""SSH keys of a stack's test hosts: made once, kept under `.separuh/<stack>/ssh/`, known before the first connection.

The operator's key opens each host; each host's own key stands in known_hosts, so nothing is trusted at first sight.
"""

from __future__ import annotations

import io
import os
import tarfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)

from infra.settings import ROOT, Place, Settings, SettingsError


@dataclass(frozen=True)
class KeyPair:
    """An Ed25519 pair: `private` is the text of an OpenSSH key file, `public` one line without a comment."""

    private: str
    public: str

    def __repr__(self) -> str:
        """Show the public half alone."""
        return f"KeyPair({self.public})"


@dataclass(frozen=True)
class HostKeys:
    """The operator's pair, and each place's by its name."""

    operator: KeyPair
    hosts: dict[str, KeyPair]

    def files(self, place: Place) -> bytes:
        """Return a tar archive, for the root of `place`'s host, of its key and of who may log in."""
        content = {
            "etc/ssh/ssh_host_ed25519_key": self.hosts[place.name].private,
            "root/.ssh/authorized_keys": f"{self.operator.public}\n",
        }
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            for path, text in content.items():
                entry = tarfile.TarInfo(path)
                entry.size, entry.mode = len(text), 0o600
                tar.addfile(entry, io.BytesIO(text.encode()))
        return archive.getvalue()


def ensure(settings: Settings, root: Path = ROOT) -> HostKeys:
    """Return the keys of the stack's hosts, making those that are missing, and write its known_hosts.

    SettingsError where the stack's config names key files that are not the checkout's own: those are never written.
    """
    folder = root / ".separuh" / settings.stack / "ssh"
    identity, known_hosts = Path(settings.ssh.identity_file), Path(settings.ssh.known_hosts)
    if {identity.parent, known_hosts.parent} != {folder}:
        raise SettingsError(
            f"Pulumi.{settings.stack}.yaml: separuh:ssh names keys outside {folder.relative_to(root)}: "
            "those are an operator's own, and test hosts get none of them"
        )
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    keys = HostKeys(_pair(identity), {place.name: _pair(folder / f"host_{place.name}") for place in settings.places})
    lines = [known_host(place.engine, keys.hosts[place.name].public) for place in settings.places]
    known_hosts.write_text("".join(f"{line}\n" for line in lines))
    return keys


def known_host(engine: str, public: str) -> str:
    """Return the line of known_hosts that binds the host of `ssh://user@host[:port]` to its public key."""
    url = urlsplit(engine)
    return f"{f'[{url.hostname}]:{url.port}' if url.port else url.hostname} {public}"


def _pair(path: Path) -> KeyPair:
    """Return the pair kept at `path`, made and written now if there is none."""
    if not path.exists():
        _write_private(path, _text(Ed25519PrivateKey.generate()))
    private = path.read_text()
    public = load_ssh_private_key(private.encode(), password=None).public_key()
    return KeyPair(private, public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode())


def _text(key: Ed25519PrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()


def _write_private(path: Path, text: str) -> None:
    """Write for the owner's eyes alone, from the first byte on."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
