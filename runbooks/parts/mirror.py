"""The stack's sealed secrets in both stores: without them, and an identity, no backup there can be read again."""

from __future__ import annotations

from infra.secrets import secrets_file
from infra.settings import ROOT, Settings, Site
from runbooks.adapters import s3
from runbooks.core.errors import CommandFailed
from runbooks.core.run import Run
from runbooks.parts.repositories import chosen, everywhere

KEY = "separuh/secrets/secrets.age"


def sealed(settings: Settings) -> bytes:
    """Return the stack's age file as it stands: what leaves this machine is never opened."""
    return secrets_file(settings, ROOT).read_bytes()


def mirror(run: Run) -> None:
    """Put the file into the stores of the run that lack it as it is now; older ones stay as locked versions."""
    everywhere(run, lambda site: None if _held(run, site) else _put(run, site))


def mirrored(run: Run) -> bool:
    """Say whether each store of the run has the file as it is now."""
    return all(_held(run, site) for site in chosen(run))


def _put(run: Run, site: Site) -> None:
    run.estate.store(site).do(s3.put(run.settings.bucket(site), KEY, sealed(run.settings)))


def _held(run: Run, site: Site) -> bool:
    try:
        return run.estate.store(site).ask(s3.get(run.settings.bucket(site), KEY)) == sealed(run.settings)
    except CommandFailed as failure:
        if failure.code == s3.MISSING:
            return False
        raise
