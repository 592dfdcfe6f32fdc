"""A mistake that somebody makes in the running database, and how it is found: what a restore in earnest undoes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from runbooks.adapters import postgres, recovery
from runbooks.core.command import Command, Query
from runbooks.core.leader import leader
from runbooks.parts.repositories import segments
from tests.drills.payments import Payer
from tests.drills.repositories import sites_of
from tests.drills.stack import Stack, docker, until

DAMAGED = 3  # accounts that somebody has moved to a city that is none


def database(stack: Stack) -> str:
    """Return the database's name."""
    return stack.estate.settings.cluster


def change(stack: Stack, sql: str) -> None:
    """Change something in the running database, as somebody with psql does."""
    argv = ("psql", "-Xq", "--set", "ON_ERROR_STOP=1", "--dbname", database(stack), "--command", sql)
    leader(stack.estate).do(Command(argv=argv))


def asked(stack: Stack, sql: str) -> str:
    """Return the one value that the running database answers."""
    return leader(stack.estate).ask(Query(sql=sql, database=database(stack), parse=lambda rows: str(rows[0][0])))


def archived(stack: Stack) -> None:
    """End the leader's segment and wait until both repositories have it.

    An archiver that failed thrice, as it may while its member is being rebuilt, tries again after a minute.
    """
    host = leader(stack.estate)
    segment = host.ask(recovery.writing())
    host.do(postgres.switch_wal())
    for site in sites_of(stack):
        try:
            until(lambda site=site: segment in segments(stack.estate, site), 150, f"{segment} at {site.name}")  # type: ignore[misc]
        except AssertionError as late:
            log = docker("logs", "--tail", "40", stack.container(site.name, "db"))
            raise AssertionError(f"{late}; its member's log ends\n{log}") from None


def damage(stack: Stack) -> None:
    """Let somebody's UPDATE go wrong."""
    mend(stack)
    some = f"SELECT id FROM account ORDER BY id LIMIT {DAMAGED}"  # noqa: S608
    change(stack, f"UPDATE account SET city = 'SALAH' WHERE id IN ({some})")  # noqa: S608
    assert damaged(stack) == DAMAGED


def mend(stack: Stack) -> None:
    """Take back what an earlier drill that failed has left."""
    change(stack, "UPDATE account SET city = 'Bogor' WHERE city = 'SALAH'")


def damaged(stack: Stack) -> int:
    """Return how many rows are as the wrong UPDATE left them."""
    return int(asked(stack, "SELECT count(*) FROM account WHERE city = 'SALAH'"))


def found(stack: Stack, moment: datetime) -> dict[str, Any]:
    """Return the wrong UPDATE, as `restore.find` tells it."""
    around = ("--around", moment.isoformat(), "--minutes", "2", "--table", "account", "--json")
    told = json.loads(stack.inv("restore.find", *around))
    wrong = [
        commit
        for commit in told["commits"]
        if {"kind": "UPDATE", "relation": "public.account", "rows": DAMAGED} in commit["changes"]
    ]
    assert wrong, told
    assert datetime.fromisoformat(wrong[-1]["at"]) >= moment
    return dict(wrong[-1])


def mistaken(stack: Stack, site: str) -> tuple[Payer, dict[str, Any]]:
    """Let a customer of `site` pay, then somebody's UPDATE go wrong; return him, and the UPDATE once it is archived."""
    with Payer(stack.estate, site) as payer:
        until(lambda: len(payer.acknowledged()) >= 3, 60, "payments before the mistake")
    moment = datetime.now(UTC)
    damage(stack)
    archived(stack)
    return payer, found(stack, moment)
