"""What a standby says that is held at one point."""

from __future__ import annotations

from datetime import datetime

import pytest

from runbooks.adapters import content, replay
from runbooks.adapters.replay import Held
from runbooks.core.command import Query
from runbooks.core.errors import SeparuhError

AT = "2026-11-22T21:20:05.312993+00:00"
SAID = f"""\
1,0,"reaches 33; bigint by 1 from 1"
1,snapshot,00000006-0000000A-1
1,held,t,0/603DEB8,{AT}
2,snapshot,00000007-00000002-1
2,held,t,0/603DEB8,{AT}
"""
QUESTIONS = {"credit": "SELECT 0, 'reaches'", "postgres": ""}


def held(said: str) -> Held | None:
    return replay.hold("r1", 600, QUESTIONS).parse(said)


def test_a_standby_that_is_held() -> None:
    """One point, a snapshot of each database, and what each has answered meanwhile."""
    assert held(SAID) == Held(
        lsn="0/603DEB8",
        at=AT,
        snapshots={"credit": "00000006-0000000A-1", "postgres": "00000007-00000002-1"},
        rows={"credit": [("0", "reaches 33; bigint by 1 from 1")], "postgres": []},
    )


@pytest.mark.parametrize("moved", ["2,held,f,0/603DEB8", "2,held,t,0/603DF00", "2,held,f,0/603DF00"])
def test_one_whose_replay_went_on_is_not_held(moved: str) -> None:
    """At the end of each snapshot it must still be paused, and where the others found it."""
    assert held(SAID.replace("2,held,t,0/603DEB8", moved)) is None
    assert held(SAID.replace(",t,", ",f,")) is None


@pytest.mark.parametrize("said", ["", SAID.replace("2,held", "2,ERROR"), SAID.replace("2,snapshot", "2,FATAL")])
def test_a_database_that_gives_no_snapshot_is_an_error(said: str) -> None:
    with pytest.raises(SeparuhError, match="not every database could be held"):
        held(said)


def test_a_question_is_asked_in_a_snapshot() -> None:
    """Its first statement, without which the transaction would see what is there by now."""
    question = Query(sql=content.exact("SELECT 1;", 60), parse=len)
    begin = f"{content.BEGIN}\nSET TRANSACTION SNAPSHOT '00000006-0000000A-1';\nSELECT 1;"
    assert begin in content.in_snapshot(question, "00000006-0000000A-1").sql


def test_a_moment_is_passed_by_a_commit_and_a_new_segment() -> None:
    """In two transactions: in one, the commit would lie behind the switch, in a segment that is not closed."""
    argv = replay.pass_moment().argv
    assert argv[-3:] == ("SELECT pg_current_xact_id()", "--command", "SELECT pg_switch_wal()")


def test_a_servers_time() -> None:
    assert replay.clock().parse([(AT,)]) == datetime.fromisoformat(AT)
