"""Which member takes writes, asked of PostgreSQL itself: a view that needs no quorum and is never stale."""

from __future__ import annotations

from runbooks.core.command import Query
from runbooks.core.errors import CommandFailed, NotReady
from runbooks.core.host import Estate, Host

WRITES = Query(sql="SELECT NOT pg_is_in_recovery()", parse=lambda rows: rows[0][0] == "t", within=5)


def leader(estate: Estate) -> Host:
    """Return the database that takes writes; NotReady with what each site said where there is none."""
    said = []
    for site in estate.settings.sites:
        host = estate.member(site, "db")
        try:
            if host.ask(WRITES):
                return host
            said.append(f"{host.name} is a standby")
        except CommandFailed as failure:
            said.append(str(failure))
    raise NotReady("no database takes writes now:\n" + "\n".join(said) + "\nsee ./inv status, then ./inv up")
