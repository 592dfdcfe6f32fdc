"""Accounts, loans, instalments, payments and the double-entry ledger; whole rupiah throughout."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None

SQL = Path(__file__).with_suffix("")


def upgrade() -> None:
    """Make everything, functions last."""
    for name in ("tables.sql", "functions.sql", "books.sql"):
        # One statement a paragraph: the driver takes one at a time.
        for statement in (SQL / name).read_text().split("\n\n\n"):
            op.execute(statement)
