"""What is left of a stack on the day after the fire: one store, its key, and the identity that opens what is in it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from infra.identity import write_private
from infra.secrets import S3Key, Secrets, credentials_file, given_key, open_secrets, profile, secrets_file
from infra.settings import ROOT, Settings, Site
from runbooks.adapters import s3
from runbooks.core.errors import CommandFailed, NotReady
from runbooks.core.store import Store, endpoint
from runbooks.parts import mirror


@dataclass(frozen=True)
class Given:
    """What opens one store before there are secrets. `ca` (PEM) signs for a store of our own."""

    key: S3Key
    ca: str

    def s3(self, site: str) -> S3Key:  # noqa: ARG002 - as Secrets has it
        """Return the key, whichever site it is asked of."""
        return self.key


def site_of(settings: Settings, name: str) -> Site:
    """Return the site called `name`, else the only one whose key is given. NotReady: none, or both."""
    if name:
        return settings.site(name)
    given = [site for site in settings.sites if given_key(settings, site)]
    if len(given) != 1:
        names = " or ".join(site.name for site in settings.sites)
        raise NotReady(f"from which site's repository: --from {names}?")
    return given[0]


@contextmanager
def opened(settings: Settings, site: Site, authority: str, keep: bool) -> Iterator[Secrets]:
    """Open the stack's secrets: those of this clone, else the sealed ones in the store of `site`.

    They are put where `up` looks for them if they are to be kept. NotReady where they cannot be had.
    """
    if secrets_file(settings, ROOT).exists():
        yield open_secrets(settings, ROOT)
        return
    sealed = fetch(settings, site, Given(_key(settings, site), _authority(authority)))
    with tempfile.TemporaryDirectory() as elsewhere:
        draft = Path(elsewhere)
        write_private(secrets_file(settings, draft), sealed)
        secrets = open_secrets(settings, draft)  # before they stay: what another identity sealed would be in the way
    if keep:
        write_private(secrets_file(settings, ROOT), sealed, replace=False)
    yield secrets


def fetch(settings: Settings, site: Site, given: Given) -> bytes:
    """Return the sealed secrets that each backup leaves in the store of `site`."""
    with closing(Store(site, settings, given, False, Console())) as store:
        try:
            return store.ask(s3.get(settings.bucket(site), mirror.KEY))
        except CommandFailed as failure:
            raise NotReady(
                f"{endpoint(site)}: bucket {settings.bucket(site)} gave no {mirror.KEY}, which each backup puts there: "
                f"{failure.stderr.strip()}"
            ) from failure


def _key(settings: Settings, site: Site) -> S3Key:
    """Return the key by the AWS credentials file, else by the variables that every tool for S3 reads."""
    if found := given_key(settings, site):
        return found
    access, secret = (os.environ.get(name, "") for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))
    if access and secret:
        return S3Key(access, secret)
    raise NotReady(
        f"the key of {site.name}'s store is not known here: add a section [{profile(settings, site)}] with "
        f"aws_access_key_id and aws_secret_access_key to {credentials_file()}, or set AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY"
    )


def _authority(file: str) -> str:
    """Return the certificate that a store of our own is checked by; it is in the secrets too, still sealed."""
    try:
        return Path(file).read_text() if file else ""
    except OSError as error:
        raise NotReady(f"{file}: the authority's certificate cannot be read: {error.strerror}") from None
