"""The limit without progress of what copies: pgBackRest that moves nothing any more is ended, with all its workers.

It gives up by itself, after two minutes, where a store breaks off or does not answer; it lets its lock go, and waits as
long again for a worker that it has given another file meanwhile. Where a process, a disk or a database stands still it
would wait for half an hour and more.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from infra.settings import Site
from runbooks.adapters import processes
from runbooks.core.errors import CommandFailed, Exit, SeparuhError
from runbooks.core.host import Host
from runbooks.core.run import Run

LOOKS = 10  # in the time without progress
GIVEN_UP = 2  # looks in a row without its lock; one may meet it as it ends


class Stalled(SeparuhError):
    """What copied moved nothing for longer than agreed, and was ended."""

    exit = Exit.UNDONE


@dataclass
class _Watch:
    """Watches pgBackRest copy to `site` from `host`. `over` ends it; `stalled` says that it has ended the copying."""

    run: Run
    site: Site
    host: Host
    over: threading.Event = field(default_factory=threading.Event)
    stalled: bool = False

    def look(self) -> None:
        """Look at what was moved until nothing has been for too long, or it is `over`."""
        limit = self.run.settings.backup.stall_seconds
        stanza, repository = self.run.settings.cluster, self.run.settings.repository(self.site)
        seen, since, unlocked = "", time.monotonic(), 0
        while not self.over.wait(limit / LOOKS):
            with suppress(CommandFailed):  # no answer is no progress
                moved = self.host.ask(processes.moved(stanza, repository, self.run.id))
                if moved != seen:
                    seen, since = moved, time.monotonic()
                unlocked = unlocked + 1 if moved.startswith(processes.UNLOCKED) else 0
            self.stalled |= time.monotonic() - since >= limit
            if self.stalled or unlocked >= GIVEN_UP:
                with suppress(CommandFailed):  # at the next look again
                    self.host.do(processes.end(stanza, repository, self.run.id))


@contextmanager
def watched(run: Run, site: Site, host: Host) -> Iterator[None]:
    """End what copies to `site` from `host` meanwhile when it moves nothing for stall_seconds; raises Stalled then."""
    if run.planning:
        yield
        return
    watch = _Watch(run, site, host)
    thread = threading.Thread(target=watch.look, daemon=True)
    thread.start()
    try:
        yield
    except CommandFailed as failure:
        watch.over.set()
        thread.join()  # until what it ends is gone
        if not watch.stalled:
            raise
        raise Stalled(
            f"pgBackRest in {host.name} moved nothing for {run.settings.backup.stall_seconds} s "
            f"(separuh:backup.stall_seconds) and was ended"
        ) from failure
    finally:
        watch.over.set()
