"""What PostgreSQL asks again and again while its leader is gone is looked for once in a while."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from infra.settings import ROOT

SEGMENT, NEXT, HISTORY = "00000001000000000000000A", "00000001000000000000000B", "00000002.history"


class Archive:
    """A pgBackRest that has the files of `holds`, and what was asked of it."""

    def __init__(self, folder: Path) -> None:
        """All is in `folder`: the script as it is in the image but for its folders, and the program that it calls."""
        self.folder = folder
        text = (ROOT / "infra/images/database/restore-wal").read_text()
        (folder / "restore-wal").write_text(text.replace("/spool", str(folder)).replace("/config", str(folder)))
        (folder / "database.name").write_text("credit")
        program = folder / "pgbackrest"
        program.write_text(f'#!/bin/sh\nshift 4\necho "$@" >>{folder}/asked\ncp {folder}/held-$2 "$3" 2>/dev/null\n')
        program.chmod(0o755)

    def get(self, file: str) -> bool:
        """Say whether PostgreSQL is given `file`."""
        argv = ("sh", str(self.folder / "restore-wal"), file, str(self.folder / "given"), "1", "2")
        path = f"{self.folder}:{os.environ['PATH']}"
        return subprocess.run(argv, env={"PATH": path}, check=False).returncode == 0

    @property
    def asked(self) -> int:
        """How often a repository was asked for anything."""
        file = self.folder / "asked"
        return len(file.read_text().splitlines()) if file.exists() else 0


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path)


def test_what_was_missed_is_not_looked_for_again_at_once(archive: Archive) -> None:
    for _ in range(3):
        assert not archive.get(SEGMENT)
        assert not archive.get(HISTORY)
    assert archive.asked == 4  # each of the two in each of the two repositories


def test_another_is_looked_for_and_so_is_the_same_later(archive: Archive) -> None:
    assert not archive.get(SEGMENT)
    for name in (SEGMENT, NEXT):
        (archive.folder / f"held-{name}").write_text("log")
    assert archive.get(NEXT)
    assert not archive.get(SEGMENT)
    past = time.time() - 6
    os.utime(archive.folder / "missed-segment", (past, past))
    assert archive.get(SEGMENT)
