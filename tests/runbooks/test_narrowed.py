"""A copy that differs from its fingerprint: which rows and columns, told against a copy from the other repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from runbooks.core.errors import Undone
from runbooks.restore_drill import RUNBOOK
from tests.runbooks.fake import FakeMember, World
from tests.runbooks.fake_copy import Row
from tests.runbooks.test_every_runbook import carry_through, world_of
from tests.runbooks.test_restore_drill import signed

COPY, OTHER = "unit-two-drill-r1", "unit-two-drill-r1-other"
RIGHT, WRONG = ("5", "6"), ("7", "8")  # sums of hashes, as SQL tells them
AMOUNT = "1250000"


def answers(wrong: tuple[str, ...], name: str, sql: str) -> list[Row] | None:
    """Return what a member says of a table of one row, which is another one in the copies `wrong`."""
    sums, told = (WRONG, AMOUNT) if name in wrong else (RIGHT, "1249999")
    if "pg_table_size" in sql:
        return [("public.loan", "0", '["id", "amount"]', '["id"]', "f")]
    if "AS label" in sql:
        return [("(17)", "1", *sums)]
    if "md5(t." in sql:
        return [("(17)", "c4ca", f"digest of {told}")]
    return [("0", "0", "1", *sums)] if "hashtextextended" in sql else None


def drilled(wrong: tuple[str, ...], folder: Path, patch: pytest.MonkeyPatch, **broken: str) -> tuple[str, World]:
    """Drill where the copies `wrong` differ; return what the check of the content says, and the world."""
    row = FakeMember._row
    patch.setattr(FakeMember, "_row", lambda self, sql: answers(wrong, self.name, sql) or row(self, sql))
    world = world_of(RUNBOOK, folder, **broken)
    with pytest.raises(Undone, match="NOT proved"):
        carry_through(world, RUNBOOK, folder)
    (found,) = [check.found for check in signed(folder).checks if check.name == "fingerprint"]
    return found, world


def test_row_and_column_are_told_and_no_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Out of the other repository comes what the fingerprint says, so the two can be laid beside each other."""
    found, world = drilled((COPY,), tmp_path, monkeypatch)
    assert found.splitlines() == [
        "table postgres.public.loan: 1 rows in both, their content differs",
        "its rows, beside those of a copy out of one's repository:",
        "table postgres.public.loan, row (17): amount differs",
    ]
    assert AMOUNT not in (tmp_path / ".separuh/unit/evidence/r1/r1.json").read_text()
    assert [line for line in world.done if line.startswith(OTHER) and "--repo=1" in line]
    assert not world.drills


def test_where_both_repositories_differ_no_row_is_blamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it is the fingerprint, or what both backups were made of."""
    found, _ = drilled((COPY, OTHER), tmp_path, monkeypatch)
    assert found.endswith("the copy out of one's repository differs from the stored fingerprint there too")
    assert "row (17)" not in found


def test_what_could_not_be_narrowed_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The chunk stands in the evidence all the same."""
    found, world = drilled((COPY,), tmp_path, monkeypatch, fails="restore", fails_at=OTHER)
    assert found.startswith("table postgres.public.loan: 1 rows in both, their content differs\nnot narrowed to rows: ")
    assert "the same point cannot be restored from one: broken for the test" in found
    assert not world.drills
