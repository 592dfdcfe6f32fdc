"""The first boot's one-shot: make the schema of an empty database, and of no other."""

from __future__ import annotations

import time
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config as Alembic
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, exc, inspect, text

from credit_api.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK = 0x5EBA1A  # any number, the same for all who make a schema
PAUSE = 1.0  # seconds between two attempts to find the leader


class Foreign(Exception):
    """The database holds tables that no revision of ours made."""


def make(config: Config) -> str:
    """Wait for the leader, make the schema if the database is empty, and say in one line what was found or done.

    Both sites run this at the same time: the second waits for the first's lock and finds the work done. A schema at
    another revision is left alone, for moving it is a runbook's job.
    """
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(config.dsn, password=config.password)
    )
    told = ""
    while True:
        try:
            with engine.begin() as connection:
                # Of the transaction, not of the session: a pooler lends sessions.
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
                return _make(connection)
        # A standby (25006) and a leader that is not there yet look alike from here: try again.
        except exc.DBAPIError as error:
            if not isinstance(error.orig, psycopg.OperationalError | psycopg.errors.ReadOnlySqlTransaction):
                raise
            reason = str(error.orig).strip().splitlines()[0]
            if reason != told:
                print(f"waiting for the leader: {reason}", flush=True)
                told = reason
            time.sleep(PAUSE)
        finally:
            engine.dispose()


def _make(connection: Connection) -> str:
    alembic = Alembic()
    alembic.set_main_option("script_location", str(MIGRATIONS))
    alembic.attributes["connection"] = connection
    head = ScriptDirectory.from_config(alembic).get_current_head()
    tables = inspect(connection).get_table_names()
    if "alembic_version" in tables:
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        return f"schema is at {found}" + ("" if found == head else f", this image is made for {head}: left as it is")
    if tables:
        raise Foreign(f"the database has tables of another maker ({', '.join(sorted(tables)[:3])}): nothing was made")
    command.upgrade(alembic, "head")
    return f"schema made, at {head}"
