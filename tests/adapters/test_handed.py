"""A segment handed from one pg_wal to another, with the scripts as a member runs them."""

from __future__ import annotations

import subprocess
from pathlib import Path

from runbooks.adapters import handed

SEGMENT_BYTES = 16 << 20
FIRST, SECOND, LATER = (f"00000016000000000000003{n}" for n in (2, 3, 5))


def folder(tmp_path: Path, *names: str) -> Path:
    wal = tmp_path / "pg_wal"
    (wal / "archive_status").mkdir(parents=True)
    for name in names:
        (wal / name).write_bytes(name.encode().ljust(SEGMENT_BYTES, b"\0"))
    return wal


def test_whole_segments_of_the_timeline_are_told_in_order(tmp_path: Path) -> None:
    wal = folder(tmp_path, SECOND, FIRST, "000000150000000000000032", f"{FIRST}.partial", "00000016.history")
    (wal / LATER).write_bytes(b"being made")
    command = handed.segments(str(tmp_path), 0x16)
    said = subprocess.run(command.argv, check=True, capture_output=True, text=True).stdout
    assert command.parse(said) == [FIRST, SECOND]


def test_what_counts_as_archived_is_archived_all_the_same(tmp_path: Path) -> None:
    status = folder(tmp_path, FIRST) / "archive_status"
    (status / f"{FIRST}.done").touch()
    subprocess.run(handed.mark(str(tmp_path), FIRST).argv, check=True)
    assert [path.name for path in status.iterdir()] == [f"{FIRST}.ready"]


def test_it_arrives_as_it_was_and_is_marked_to_be_archived(tmp_path: Path) -> None:
    source, target = tmp_path / "leader", tmp_path / "copy"
    there, here = folder(source, FIRST), folder(target)
    read, take = handed.read(str(source), FIRST), handed.take(str(target), FIRST)
    told = read.parse(subprocess.run(read.argv, check=True, capture_output=True, text=True).stdout)
    subprocess.run(take.argv, check=True, input=told)
    assert (here / FIRST).read_bytes() == (there / FIRST).read_bytes()
    assert (here / FIRST).stat().st_mode & 0o777 == 0o600
    assert (here / "archive_status" / f"{FIRST}.ready").exists()
    assert sorted(path.name for path in here.iterdir()) == [FIRST, "archive_status"]
