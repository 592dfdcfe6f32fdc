"""The gate in a pooler, and the sessions that keep a leader from coming to rest."""

from __future__ import annotations

from runbooks.adapters import gate, patroni, sessions, takeover
from runbooks.adapters.gate import Held


def test_a_gate_is_told_how_long_it_may_hold() -> None:
    """The run, then seconds."""
    assert gate.wait("20260101T000000Z-switchover-0", 8, 30).argv == (
        "gate",
        "wait",
        "20260101T000000Z-switchover-0",
        "8",
        "30",
    )
    assert gate.dismiss().argv == ("gate", "dismiss")
    assert gate.resume().argv == ("gate", "resume")


def test_a_passage_without_a_gate() -> None:
    """Nobody ever waited here."""
    seen = gate.look().parse('{"paused": false, "trouble": "", "gate": null}')
    assert (seen.paused, seen.trouble, seen.gate) == (False, "", Held())


def test_a_pooler_of_an_image_without_the_program_is_told_apart() -> None:
    """Its container answers, and says that there is none."""
    assert gate.NO_PROGRAM in gate.look().ok
    assert gate.look().parse("").dated


def test_patroni_is_told_by_stdin_with_a_certificate_and_heard_when_it_refuses() -> None:
    """No answer in time is one, too: it is still at it."""
    command = patroni.switchover("lab-jkt-db-1", "lab-sby-db-1")
    assert command.argv[4:8] == ("--cert", "/config/tls.crt", "--key", "/config/tls.key")
    assert command.argv[8:11] == ("--fail-with-body", "--output", "/dev/stderr")
    assert command.argv[-1] == "https://localhost:8008/switchover"
    assert command.stdin == '{"leader": "lab-jkt-db-1", "candidate": "lab-sby-db-1"}'
    assert command.ok == (0, 28)


def test_a_paused_patroni_says_so() -> None:
    """The word is absent otherwise."""
    assert patroni.cluster().parse('{"members": [], "pause": true}').paused
    assert not patroni.cluster().parse('{"members": []}').paused


def test_sessions_are_named_without_what_they_ask() -> None:
    """A query's text may hold a customer's data."""
    query = sessions.open_transactions()
    assert "query" not in query.sql
    (idle, working) = query.parse(
        [
            ("7", "credit", "credit", "psql", "10.0.0.9", "3.5", "3.1"),
            ("8", "postgres", "postgres", "", "its own host", "61.2", None),
        ]
    )
    assert str(idle) == "session 7 of credit (psql) from 10.0.0.9 in credit"
    assert (idle.seconds, idle.idle_seconds) == (3.5, 3.1)
    assert str(working) == "session 8 of postgres from its own host in postgres"
    assert working.idle_seconds is None


def test_the_archive_is_asked_for_the_next_timeline_in_every_repository() -> None:
    """As PostgreSQL names it."""
    command = takeover.rely_on_stream(9, [2, 1])
    assert command.argv[3:] == ("sh", "/spool/complete", "0000000A.history", "2", "1")
    assert takeover.look_again().argv == ("rm", "-f", "/spool/complete")
