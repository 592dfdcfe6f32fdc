"""A command that a message tells to type acts on the stack that the message is about."""

from __future__ import annotations

import importlib
import io

import pytest
from rich.table import Table

from runbooks.core.hint import WITHOUT_STACK, Screen, whole

SAID = [
    ("see ./inv status, then ./inv up", "see ./inv status --stack lab, then ./inv up --stack lab"),
    ("./inv restore-drill --from two makes one.", "./inv restore-drill --stack lab --from two makes one."),
    ("it is kept: ./inv restore.release RUN", "it is kept: ./inv restore.release --stack lab RUN"),
    ("`./inv up` again", "`./inv up --stack lab` again"),
    ("./inv runs.", "./inv runs --stack lab."),
    ("./inv down --stack lab --volumes", "./inv down --stack lab --volumes"),
    ("./inv up --site a --stack lab\n./inv pay", "./inv up --site a --stack lab\n./inv pay --stack lab"),
    ("./inv evidence.verify FILE", "./inv evidence.verify FILE"),
    ("nothing to type", "nothing to type"),
]


@pytest.mark.parametrize(("said", "told"), SAID)
def test_each_command_names_the_stack(monkeypatch: pytest.MonkeyPatch, said: str, told: str) -> None:
    monkeypatch.delenv("SEPARUH_STACK", raising=False)
    assert whole(said, "lab") == told
    assert whole(told, "lab") == told


@pytest.mark.parametrize("named", ["", "usual"])
def test_the_usual_stack_needs_no_name(monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    monkeypatch.setenv("SEPARUH_STACK", "usual")
    assert whole("see ./inv status", named) == "see ./inv status"
    assert whole("see ./inv status", "dev") == "see ./inv status --stack dev"


def test_a_line_is_not_broken_in_a_command() -> None:
    seen = io.StringIO()
    Screen("lab", file=seen, width=40).print("what is to be done now is told by this: ./inv rejoin one")
    assert seen.getvalue().endswith("./inv rejoin --stack lab one\n")


def test_a_line_is_printed_as_it_is_unless_markup_is_asked_for() -> None:
    """rich takes what stands in brackets for its markup, and would leave it out."""
    seen = io.StringIO()
    screen = Screen("lab", file=seen, width=80)
    screen.print("pgBackRest ended with [bold] and [042]")
    screen.print("[green]done[/green]", markup=True)
    assert seen.getvalue() == "pgBackRest ended with [bold] and [042]\ndone\n"


@pytest.mark.parametrize("columns", ["", "60"])
def test_a_table_is_folded_only_to_a_width_that_somebody_wants(monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns:
        monkeypatch.setenv("COLUMNS", columns)
    table, seen = Table("run", "outcome"), io.StringIO()
    table.add_row("20261128T232932Z-up-bfa827", "a step failed, and what was done before it was undone again")
    Screen("lab", file=seen).print(table)
    longest = max(len(line) for line in seen.getvalue().splitlines())
    assert longest <= 60 if columns else longest > 80


def test_every_other_verb_takes_a_stack() -> None:
    verbs = importlib.import_module("tasks").ns
    without = [name for name in verbs.task_names if "stack" not in {each.name for each in verbs[name].get_arguments()}]
    assert sorted(without) == sorted(WITHOUT_STACK)
