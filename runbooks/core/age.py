"""How long this process has run: a command's deadline counts from when it was typed, not from when it was ready."""

from __future__ import annotations

import os
import time
from pathlib import Path

STARTED = 19  # which field of /proc/<pid>/stat, counted behind the name: in clock ticks since the machine's start


def age() -> float:
    """Return the seconds since this process was started, `./inv`, which becomes it, included.

    Where the system does not tell (macOS), the CPU seconds it has used, which are fewer.
    """
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        return time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[STARTED]) / os.sysconf("SC_CLK_TCK")
    except OSError:
        return time.process_time()
