"""The break-glass copy of the identity that opens the stack's secrets."""

from __future__ import annotations

import getpass
import sys

from infra.identity import wrap_identity
from infra.settings import Site
from runbooks.adapters import s3
from runbooks.core.errors import Exit, NotReady, SeparuhError
from runbooks.core.host import Estate
from runbooks.core.session import open_stack

KEY = "separuh/secrets/identity.age"
SHORTEST = 16


def wrap(stack: str) -> Exit:
    """Wrap the identity by a passphrase, beside it and in both stores; DEGRADED where a store could not be reached."""
    settings, secrets = open_stack(stack)
    passphrase = _passphrase()
    if len(passphrase) < SHORTEST:
        raise NotReady(f"the passphrase needs {SHORTEST} characters or more: it alone guards every secret of the stack")
    wrapped = wrap_identity(passphrase)
    missed = []
    with Estate(settings, secrets) as estate:
        for site in settings.sites:
            try:
                estate.store(site).do(s3.put(settings.bucket(site), KEY, wrapped))
            except SeparuhError as failure:
                missed.append(f"{_name(site)}: not written: {failure}")
            else:
                print(f"{_name(site)}: written")
    for line in missed:
        print(line, file=sys.stderr)
    return Exit.DEGRADED if missed else Exit.DONE


def _passphrase() -> str:
    """Ask twice on a terminal; in a pipeline take the first line of stdin."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    first = getpass.getpass("passphrase: ")
    if getpass.getpass("again: ") != first:
        raise NotReady("the two differ; nothing was written")
    return first


def _name(site: Site) -> str:
    return f"store of {site.name}, {KEY}"
