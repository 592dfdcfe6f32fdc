"""What an operator is told when a verb ends with an error that nobody foresaw, and one that somebody did."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from runbooks.core.errors import Exit, NotReady
from runbooks.core.outcome import end


def full() -> None:
    """Write where the kernel says that there is no room."""
    Path("/dev/full").write_text("a word")


def bug() -> None:
    """Fail as a mistake of ours does."""
    raise KeyError("jkt")


def refused() -> None:
    """Refuse as a precheck does."""
    raise NotReady("not now: wait a minute")


@pytest.mark.parametrize(
    ("verb", "code", "said"),
    [
        (full, Exit.USAGE, "this machine's disk takes no more: [Errno 28] No space left on device. Make room there"),
        (bug, Exit.USAGE, "internal error: KeyError: 'jkt'. With --debug it says where"),
        (refused, Exit.NOT_READY, "not now: wait a minute\n"),
    ],
)
def test_it_is_told_in_words(
    capsys: pytest.CaptureFixture[str], verb: Callable[[], None], code: Exit, said: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        end(verb, debug=False)
    told = capsys.readouterr().err
    assert ended.value.code == code
    assert told.startswith(said)
    assert "Traceback" not in told
