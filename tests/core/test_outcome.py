"""A verb's end is the process's end."""

from __future__ import annotations

import subprocess
import sys

from infra.settings import ROOT

WAITS_FOR_EVER = """
import threading
from runbooks.core import outcome

def verb():
    threading.Thread(target=threading.Event().wait).start()
    print("what it says")
    return 7

outcome.end(verb, debug=False)
"""


def test_a_thread_that_waits_for_ever_is_not_waited_for_and_nothing_said_is_lost() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", WAITS_FOR_EVER], cwd=ROOT, check=False, capture_output=True, text=True, timeout=30
    )
    assert (ended.returncode, ended.stdout) == (7, "what it says\n")
