"""A process knows how long it has run, the time before its first line included."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra.settings import ROOT


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux tells when a process was started")
def test_the_age_counts_from_the_shell_that_became_python() -> None:
    python = f"exec {sys.executable} -c 'from runbooks.core.age import age; print(age())'"
    began = time.monotonic()
    said = subprocess.run(["sh", "-c", f"sleep 0.5; {python}"], cwd=ROOT, check=True, capture_output=True, text=True)
    assert 0.5 <= float(said.stdout) <= time.monotonic() - began + 0.02  # the kernel counts in hundredths
