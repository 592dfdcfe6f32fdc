"""What a member's log tells of how it came back, and what of its signs counts as one."""

from __future__ import annotations

import subprocess

import pytest

from runbooks.adapters import returning

AT = "2026-11-24 17:00:00,000"
PG = "2026-11-24 17:00:00.000 UTC [42]"


@pytest.mark.parametrize(
    ("line", "way", "hopeless", "lacks"),
    [
        (f"{AT} INFO: running pg_rewind from est-jkt-db-1", "rewind", "", False),
        (f"{AT} INFO: replica has been created using repository", "repository", "", False),
        (f"{AT} INFO: replica has been created using basebackup", "leader", "", False),
        (f"{AT} ERROR: Failed to rewind from healthy primary: est-jkt-db-1", "", "pg_rewind failed", False),
        (f"{AT} CRITICAL: system ID mismatch, node est-sby-db-1 belongs to a", "", "its data is another", False),
        (f"{AT} INFO: data dir is not empty, but system ID is invalid; consider", "", "no database", False),
        (f"{PG} FATAL:  requested timeline 3 is not a child of this server's history", "", "gone on by itself", False),
        (f"{PG} PANIC:  could not locate a valid checkpoint record", "", "damaged", False),
        (f"{PG} FATAL:  could not receive data from WAL stream: ERROR:  requested WAL segment 00A has already been "
         "removed", "", "", True),
        (f"{AT} INFO: no action. I am (est-sby-db-1), a secondary", "", "", False),
    ],
)  # fmt: skip
def test_what_the_log_tells(line: str, way: str, hopeless: str, lacks: bool) -> None:
    """The expression with which the engine's machine looks finds what is made of it."""
    told = returning.told("est-sby-db-1")
    found = subprocess.run(["grep", "-aE", told.argv[-1]], input=line, capture_output=True, text=True, check=False)
    seen = told.parse(found.stdout)
    assert (seen.way, bool(seen.lacks)) == (way, lacks)
    assert (hopeless in seen.hopeless) if hopeless else seen.hopeless == ""


def test_the_last_word_counts() -> None:
    """One that was copied after it could not be rewound is a copy."""
    lines = "running pg_rewind from a\nreplica has been created using basebackup\n"
    assert returning.told("a").parse(lines).way == "leader"


def test_signs_of_life() -> None:
    """The segment that is replayed, the LSNs, and whether somebody copies."""
    said = "42 postgres: startup recovering 00000002000000000000001A\n0/1A000000|0/19FFFFF0\n"
    assert returning.signs().parse(said) == returning.Signs(
        places=frozenset({"00000002000000000000001A", "0/1A000000", "0/19FFFFF0"}), copying=False
    )
    assert returning.signs().parse("43 pgbackrest --repo=1 restore\n").copying
    assert returning.signs().parse("").places == frozenset()


def test_whoever_looks_does_not_find_himself() -> None:
    """The shell that looks carries the words that it looks for."""
    command = returning.signs()
    seen = subprocess.run(command.argv, capture_output=True, text=True, check=True)
    assert not command.parse("\n".join(line for line in seen.stdout.splitlines() if "pgrep" in line)).copying
