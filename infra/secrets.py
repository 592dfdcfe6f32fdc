"""A stack's secrets: one age file, opened by the operator's identity, by this program and by the `age` command alike.

It stands at `secrets/<stack>.age` where a team commits it, else at `.separuh/<stack>/secrets.age`. Inside is JSON.
"""

from __future__ import annotations

import configparser
import os
import secrets as entropy
from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from pathlib import Path

import pyrage
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from infra import identity, signing
from infra.certificates import Leaf, holders, issue, new_authority, still_good
from infra.identity import SecretsError
from infra.settings import Settings, Site

PASSWORDS = ("postgres", "replicator", "rewind", "credit", "pooler")


@dataclass(frozen=True)
class S3Key:
    """What opens a site's object store."""

    access_key: str
    secret_key: str = field(repr=False)


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", hide_input_in_errors=True))
class Secrets:
    """Every secret of one stack. `recipients` are the public halves of the identities that open the file.

    `evidence_key` signs what the stack's drills have shown; "" in a file from before there was one, until `ensure`.
    """

    stack: str
    recipients: tuple[str, ...]
    authority: Leaf = field(repr=False)
    passwords: Mapping[str, str] = field(repr=False)
    s3_keys: Mapping[str, S3Key] = field(repr=False)
    ciphers: Mapping[str, str] = field(repr=False)
    leaves: Mapping[str, Leaf] = field(repr=False)
    evidence_key: str = field(default="", repr=False)

    @property
    def ca(self) -> str:
        """The authority's certificate, PEM."""
        return self.authority.certificate

    def password(self, role: str) -> str:
        """Return the password of a database role, or of Patroni's REST interface. KeyError for an unknown one."""
        return self.passwords[role]

    def s3(self, site: str) -> S3Key:
        """Return the key of `site`'s object store."""
        return self.s3_keys[site]

    def cipher(self, site: str) -> str:
        """Return the passphrase under which pgBackRest encrypts `site`'s repository."""
        return self.ciphers[site]

    def leaf(self, container: str) -> Leaf:
        """Return the certificate and key of `container`."""
        return self.leaves[container]

    def values(self) -> Iterator[str]:
        """Yield every value that must stand nowhere in the clear, so that it can be looked for."""
        yield from self.passwords.values()
        yield from self.ciphers.values()
        yield from (key.secret_key for key in self.s3_keys.values())
        yield from (leaf.key for leaf in (self.authority, *self.leaves.values()))
        if self.evidence_key:
            yield self.evidence_key


def secrets_file(settings: Settings, root: Path) -> Path:
    """Return where the stack's age file is, or would be made."""
    committed = root / "secrets" / f"{settings.stack}.age"
    return committed if committed.exists() else root / ".separuh" / settings.stack / "secrets.age"


def ensure(settings: Settings, root: Path, living: bool) -> Secrets:
    """Open the stack's secrets, or make them when it is not `living` (no object of it anywhere).

    What has come to be needed since is added and saved: a member's certificate, a site's key, the key for evidence.
    """
    if not living and not secrets_file(settings, root).exists():
        return create(settings, root)
    found = open_secrets(settings, root)
    complete = _complete(found, settings)
    if complete != found:
        identity.write_private(secrets_file(settings, root), _seal(complete))
    return complete


def open_secrets(settings: Settings, root: Path) -> Secrets:
    """Open the stack's secrets. SecretsError if file or identity is missing, or the one does not open the other."""
    path = secrets_file(settings, root)
    try:
        sealed = path.read_bytes()
    except FileNotFoundError:
        raise SecretsError(
            f"{path}: stack {settings.stack} is alive, but its secrets are not here, and new ones would not open it. "
            f"Copy the file from the clone that made the stack, or let ./inv secrets.fetch --stack {settings.stack} "
            "bring it from a store"
        ) from None
    try:
        text = pyrage.decrypt(sealed, identity.open_identity())
        found: Secrets = TypeAdapter(Secrets).validate_json(text)
    except pyrage.DecryptError as error:
        raise SecretsError(
            f"{path}: {identity.identity_file()} does not open it ({str(error).lower()}). Use the identity with which "
            "the stack was made (SEPARUH_IDENTITY_FILE), or have its owner admit yours"
        ) from None
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise SecretsError(
            f"{path}: opened, but not understood at {where!r}: a newer version may have made it"
        ) from None
    if found.stack != settings.stack:
        raise SecretsError(f"{path}: these are the secrets of stack {found.stack}, not of {settings.stack}")
    return found


def create(settings: Settings, root: Path) -> Secrets:
    """Make the stack's secrets, and the identity if there is none. A file that was made meanwhile is kept and used."""
    identity.make_identity()
    recipients = tuple(str(key.to_public()) for key in identity.open_identity())
    empty = Secrets(
        stack=settings.stack,
        recipients=recipients,
        authority=new_authority(settings.stack),
        passwords={},
        s3_keys={},
        ciphers={},
        leaves={},
    )
    identity.write_private(secrets_file(settings, root), _seal(_complete(empty, settings)), replace=False)
    return open_secrets(settings, root)


def admit(settings: Settings, root: Path, recipient: str) -> None:
    """Let a colleague's identity open the file too; `recipient` is its public half (`age1…`)."""
    found = open_secrets(settings, root)
    admitted = replace(found, recipients=tuple(dict.fromkeys((*found.recipients, recipient))))
    try:
        identity.write_private(secrets_file(settings, root), _seal(admitted))
    except pyrage.RecipientError:
        raise SecretsError(
            f"{recipient!r} is no age recipient: it begins age1, as in the identity's first line"
        ) from None


def _complete(found: Secrets, settings: Settings) -> Secrets:
    """Add what `settings` need and `found` lacks, and change nothing else: the next call finds nothing to add."""
    leaves = dict(found.leaves)
    for name, hosts in holders(settings):
        if name not in leaves or not still_good(leaves[name], hosts):
            leaves[name] = issue(found.authority, name, hosts)
    sites = settings.sites
    return replace(
        found,
        passwords={name: entropy.token_hex(24) for name in PASSWORDS} | dict(found.passwords),
        ciphers={site.name: entropy.token_hex(32) for site in sites} | dict(found.ciphers),
        s3_keys=dict(found.s3_keys) | {site.name: _s3_key(found, settings, site) for site in sites},
        leaves=leaves,
        evidence_key=found.evidence_key or signing.new_key(),
    )


def _s3_key(found: Secrets, settings: Settings, site: Site) -> S3Key:
    """The company's own S3 gives its keys through the AWS credentials file; our own store takes what we draw."""
    known = found.s3_keys.get(site.name)
    if not site.s3_endpoint:
        return known or S3Key(entropy.token_hex(10).upper(), entropy.token_hex(20))
    if given := given_key(settings, site) or known:
        return given
    raise SecretsError(
        f"{credentials_file()}: site {site.name} stores at {site.s3_endpoint}, whose key is not known yet: add a "
        f"section [{profile(settings, site)}] with aws_access_key_id and aws_secret_access_key, and run again; the "
        "secrets keep it afterwards"
    )


def given_key(settings: Settings, site: Site) -> S3Key | None:
    """Return the key of `site`'s store that the AWS credentials file has in the stack's section, None without one."""
    section, file = profile(settings, site), configparser.ConfigParser(interpolation=None)
    file.read(credentials_file())
    if file.has_option(section, "aws_access_key_id") and file.has_option(section, "aws_secret_access_key"):
        return S3Key(file[section]["aws_access_key_id"], file[section]["aws_secret_access_key"])
    return None


def credentials_file() -> Path:
    """Return where keys to S3 are kept: AWS_SHARED_CREDENTIALS_FILE, else where every tool for S3 has them."""
    return Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials").expanduser()


def profile(settings: Settings, site: Site) -> str:
    """Return the name of the section with the key of `site`'s store."""
    return f"{settings.stack}-{site.name}"


def _seal(secrets: Secrets) -> bytes:
    return identity.seal(TypeAdapter(Secrets).dump_json(secrets), secrets.recipients)
