"""What is typed: each verb has help, with an example, and a dead run is gone on with by what is told."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from infra.settings import ROOT
from runbooks.core.journal import Head
from runbooks.lease import onward

VERBS = importlib.import_module("tasks").ns
OPERANDS = {name: [each.name for each in VERBS[name].get_arguments() if each.positional] for name in VERBS.task_names}


@pytest.mark.thorough
@pytest.mark.parametrize("verb", [name for name, operands in OPERANDS.items() if operands])
@pytest.mark.parametrize("word", ["--help", "-h"])
def test_help_is_no_operand(verb: str, word: str) -> None:
    typed = (sys.executable, "-m", "invoke", "--search-root", str(ROOT), verb, word)
    said = subprocess.run(typed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert f"Example: inv {verb} " in said


@pytest.mark.parametrize("verb", sorted(OPERANDS))
def test_every_verb_has_an_example(verb: str) -> None:
    family, _, name = verb.partition(".")
    typed = family if name == family else verb  # the family's default
    assert f"Example: inv {typed}" in (VERBS[verb].__doc__ or "")


@pytest.mark.parametrize(
    ("runbook", "arguments", "typed"),
    [
        ("rejoin", {"place": "jkt"}, "./inv rejoin jkt --resume"),
        ("restore.release", {"run": "20261124T1314"}, "./inv restore.release 20261124T1314 --resume"),
        ("backup", {"kind": "full"}, "./inv backup --resume"),
        ("of-another-checkout", {"place": "jkt"}, "./inv of-another-checkout --resume"),
        ("seed.elsewhere", {}, "./inv seed.elsewhere --resume"),
    ],
)
def test_a_dead_run_is_gone_on_with_as_it_was_begun(runbook: str, arguments: dict[str, str], typed: str) -> None:
    assert onward(Head("id", runbook, arguments, "then", "ann", "c0ffee")) == typed
