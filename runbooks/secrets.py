"""The stack's secrets on another machine, and the break-glass copy of the identity that opens them."""

from __future__ import annotations

import getpass
import sys

from infra.identity import wrap_identity, write_private
from infra.secrets import open_secrets, secrets_file
from infra.settings import ROOT, Site
from runbooks.adapters import mirrored, s3
from runbooks.core.errors import CommandFailed, Exit, NotReady, SeparuhError
from runbooks.core.host import Estate, Members
from runbooks.core.session import open_stack, settings_of
from runbooks.parts import mirror

KEY = "separuh/secrets/identity.age"
SHORTEST = 16


def fetch(stack: str) -> None:
    """Bring the sealed secrets here from the stores, the newer of the two, and open them. NotReady if any are here."""
    settings = settings_of(stack)
    path = secrets_file(settings, ROOT)
    if path.exists():
        raise NotReady(f"{path} is there already: move it away first, if it is not the one that is wanted")
    held, missed = [], []
    with Members(settings) as members:
        for site in settings.sites:
            try:
                held.append(members.member(site, "backup").ask(mirrored.read(mirror.KEY)))
            except CommandFailed as failure:
                missed.append(f"{site.name}: {failure.stderr.strip()}")
    if not held:
        told = f"stack {settings.stack}: neither store gave its secrets, which each backup puts there"
        raise NotReady("\n".join((told, *missed)))
    newest = max(held, key=lambda found: found.modified_at)
    write_private(path, newest.content, replace=False)
    open_secrets(settings, ROOT)
    print(f"{path}: as the stores had it on {newest.modified_at:%Y-%m-%d %H:%M} UTC; your identity opens it")


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
