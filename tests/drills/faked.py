"""A runner whose wall clock is somebody else's to set, by libfaketime; its monotonic clock stays as it is."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

# libfaketime 0.9.10 answers EINVAL to a sleep until a monotonic time, which is how Python sleeps; waits it lets be.
SLEEP = "import threading, time\ntime.sleep = lambda seconds: threading.Event().wait(seconds) and None\n"


class Clock:
    """What a runner takes for the time: `set` moves it at once, also under a runner that lives."""

    def __init__(self, folder: Path) -> None:
        """Begin right. Skips the test where the library is not and cannot be had."""
        self._file, self._library = folder / "clock", str(library(folder))
        (folder / "sitecustomize.py").write_text(SLEEP)
        self._folder = folder
        self.set("+0")

    def set(self, offset: str) -> None:
        """Let it be off by `offset`: `+1d`, `-3d`, `+0`."""
        draft = self._file.with_suffix(".new")
        draft.write_text(offset)
        draft.replace(self._file)

    @property
    def environment(self) -> dict[str, str]:
        """What a runner must be started with."""
        return {
            "LD_PRELOAD": self._library,
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "PYTHONPATH": str(self._folder),
        }


def library(folder: Path) -> Path:
    """Return the installed library, else that of Debian's package, unpacked into `folder` and not installed."""
    fetch = "apt-get download libfaketime && dpkg-deb -x libfaketime_*.deb ."
    for root in (Path("/"), folder):
        if root == folder:
            subprocess.run(["sh", "-c", fetch], cwd=folder, capture_output=True, check=False, timeout=60)
        if found := sorted(root.glob("usr/lib/*/faketime/libfaketime.so.1")):
            return found[0]
    pytest.skip("libfaketime is neither installed nor to be had with apt-get download")
