"""What a leader says that is held at one point, and what it is asked."""

from __future__ import annotations

import ast
import json

import pytest

from runbooks.adapters import barrier
from runbooks.adapters.replay import Held
from runbooks.core.command import Command
from runbooks.core.errors import NotVerified

SAID = {
    "lsn": "0/603DEB8",
    "at": "2026-11-22T21:20:05.312993+00:00",
    "snapshots": {"credit": "00000006-0000000A-1"},
    "rows": {"credit": [["0", "reaches 33"], ["1", None]]},
    "seconds": 0.0123456,
}
REFUSED = "terminating connection due to transaction timeout"


def command() -> Command[Held]:
    return barrier.hold("r1", 0.25, 600, {"credit": ["SELECT '0'\n"]})


def test_what_is_asked() -> None:
    """The limits in milliseconds, and the folder in which a run's release looks."""
    assert command().argv == ("python3", "-", "/tmp/held-r1")  # noqa: S108 - inside the container
    first, program = str(command().stdin).split("\n", 1)
    asked = json.loads(ast.literal_eval(first.removeprefix("ASKED = ")))
    assert (asked["limit"], asked["stay"]) == (250, 600_000)
    assert asked["questions"] == {"credit": ["SELECT '0'\n"]}
    ast.parse(program)


def test_a_leader_that_was_held() -> None:
    """One point, a snapshot of each database, what each has answered, and how long writers waited."""
    assert command().parse(json.dumps(SAID)) == Held(
        lsn="0/603DEB8",
        at="2026-11-22T21:20:05.312993+00:00",
        snapshots={"credit": "00000006-0000000A-1"},
        rows={"credit": [("0", "reaches 33"), ("1", None)]},
        seconds=0.0123,
    )


@pytest.mark.parametrize(
    ("oldest", "told"),
    [
        ("process 7 of report in credit, for 340 s", "transaction is process 7 of report"),
        ("", "see pg_prepared_xacts"),
    ],
)
def test_one_that_could_not_be_held(oldest: str, told: str) -> None:
    """What kept it, and who."""
    with pytest.raises(NotVerified, match=f"{REFUSED}; .*{told}"):
        command().parse(json.dumps({"refused": REFUSED, "oldest": oldest}))
