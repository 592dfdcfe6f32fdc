"""A drill to a point that somebody names: a second copy from the other repository is what it is compared with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runbooks.core.errors import NotReady, SeparuhError, Undone
from runbooks.core.evidence import CHECKS
from runbooks.parts.equality import NAMES
from runbooks.restore_drill import RUNBOOK, restore_drill
from tests.runbooks import test_every_runbook
from tests.runbooks.fake import FakeMember
from tests.runbooks.fake_copy import SAID, Row
from tests.runbooks.test_every_runbook import carry_through, world_of
from tests.runbooks.test_restore_drill import outcomes, signed

pytestmark = pytest.mark.thorough

AT, LSN = "2026-01-01T12:00:00.000000+00:00", "0/2000028"
STOPPED = "recovery stopping before commit of transaction 742, time {}+00\nredo done at 0/2000100 system usage\n"
CHANGES = 14  # of a drill with a second copy, before it is compared with the first
OTHER = "unit-two-drill-r1-other"


def to(patch: pytest.MonkeyPatch, stopped: str = "2026-01-01 12:00:01.5", **given: str) -> None:
    """Let drills be asked for a point, by default a time; recovery stops before a commit at `stopped`."""
    patch.setitem(test_every_runbook.ARGUMENTS, "restore-drill", given or {"at": AT})
    if "lsn" not in given:
        patch.setitem(SAID, "grep", STOPPED.format(stopped))


@pytest.mark.parametrize(("given", "scheme"), [({"at": AT}, "time"), ({"lsn": LSN}, "lsn")])
def test_two_copies_that_are_equal_prove_both_repositories(
    given: dict[str, str], scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Restored from each site's own; the log behind the point is closed first, and nothing is left."""
    to(monkeypatch, **given)
    world = world_of(RUNBOOK, tmp_path)
    run = carry_through(world, RUNBOOK, tmp_path)
    evidence = signed(tmp_path)
    assert evidence.proved, outcomes(evidence)
    assert run.reasons == []
    assert (evidence.target, evidence.point.scheme) == (*given.values(), scheme)
    assert evidence.other is not None
    assert (evidence.backup.repository, evidence.other.repository) == ("two", "one")
    assert "unit-one-db-1 $ psql" in world.done[0]
    restores = [line for line in world.done if line.endswith(" restore")]
    assert ["--repo=2" in restores[0], "--repo=1" in restores[1]] == [True, True]
    assert [line.split(" $ ")[0] for line in restores] == [OTHER.removesuffix("-other"), OTHER]
    assert not world.drills


def test_where_one_store_answers_it_is_sound_and_not_proved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything else is looked at; the run ends degraded, and says what the copy could not be compared with."""
    to(monkeypatch)
    world = world_of(RUNBOOK, tmp_path)
    world.stores["one"].answers = False
    run = carry_through(world, RUNBOOK, tmp_path)
    evidence = signed(tmp_path)
    assert outcomes(evidence) == {**dict.fromkeys(CHECKS, "passed"), **dict.fromkeys(NAMES, "not compared")}
    assert (evidence.verdict, evidence.proved) == ("not compared", False)
    assert run.reasons[-1].endswith("compared with nothing: one: its store does not answer")
    page = (tmp_path / ".separuh/unit/evidence/r1/r1.html").read_text()
    assert "TANPA PEMBANDING" in page
    assert "TERBUKTI" not in page


def test_the_other_repository_that_cannot_give_the_point_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers and has a backup, so that it gives nothing back is no accident."""
    to(monkeypatch)
    world = world_of(RUNBOOK, tmp_path)
    world.fails, world.fails_at = "restore", OTHER
    with pytest.raises(Undone, match="NOT proved"):
        carry_through(world, RUNBOOK, tmp_path)
    evidence = signed(tmp_path)
    assert outcomes(evidence)["fingerprint"] == "failed"
    (found,) = [check.found for check in evidence.checks if check.name == "fingerprint"]
    assert found.startswith("the same point cannot be restored from one: broken for the test")
    assert not world.drills


def test_two_copies_that_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which of them is right nobody knows; neither repository is proved."""
    to(monkeypatch)
    world = world_of(RUNBOOK, tmp_path)
    original = FakeMember._row

    def row(member: FakeMember, sql: str) -> list[Row]:
        mine = "pg_authid" in sql and member.name == OTHER
        return [("roles", "mallory", "superuser")] if mine else original(member, sql)

    monkeypatch.setattr(FakeMember, "_row", row)
    with pytest.raises(Undone, match="roles mallory: missing in the copy"):
        carry_through(world, RUNBOOK, tmp_path)


@pytest.mark.parametrize(("stopped", "outcome"), [("12:00:00.000001", "passed"), ("12:00:00.000000", "failed")])
def test_a_commit_at_the_moment_itself_is_part_of_it(
    stopped: str, outcome: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recovery has to stop before a later one."""
    to(monkeypatch, f"2026-01-01 {stopped}")
    world = world_of(RUNBOOK, tmp_path, answers={"books()": [("a reason to end alike", "1")]})
    with pytest.raises(Undone):
        carry_through(world, RUNBOOK, tmp_path)
    assert outcomes(signed(tmp_path))["target"] == outcome


def test_without_room_for_two_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database beside which they lie keeps its room."""
    to(monkeypatch)
    world = world_of(RUNBOOK, tmp_path)
    world.free["backup"] = world.settings.backup.free_bytes + 2_000_000
    run = carry_through(world, RUNBOOK, tmp_path)
    assert "2 copies need" in run.reasons[-1]
    assert signed(tmp_path).verdict == "not compared"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"at": "2026-01-02T00:00:01+00:00"}, "is still to come"),
        ({"lsn": "0/2000101"}, "is not written yet: the log of unit-one-db-1 ends at 0/2000100"),
        ({"at": "2026-01-01T00:00:05+00:00"}, "no backup leads to"),
    ],
)
def test_a_point_that_cannot_be_had_is_refused(
    given: dict[str, str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is changed."""
    to(monkeypatch, **given)
    world = world_of(RUNBOOK, tmp_path)
    with pytest.raises(NotReady, match=said):
        carry_through(world, RUNBOOK, tmp_path)
    assert not world.done


@pytest.mark.parametrize("given", [{"at": AT, "lsn": LSN}, {"at": AT, "backup": "20260102-000000F"}, {"as_of": "noon"}])
def test_what_cannot_be_meant(given: Any) -> None:
    """It is said before anything is looked at."""
    with pytest.raises(SeparuhError, match=r"--at|no time"):
        restore_drill("unit", **given)


@pytest.mark.parametrize("broken", range(CHANGES))
def test_whichever_change_breaks(broken: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run ends as not proved or undone, and no container stays."""
    to(monkeypatch)
    world = world_of(RUNBOOK, tmp_path, broken=broken)
    with pytest.raises(Undone):
        carry_through(world, RUNBOOK, tmp_path)
    assert world.broke
    assert not world.drills
