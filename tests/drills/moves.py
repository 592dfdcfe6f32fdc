"""What a drill of moving the leader asks of the stack: who leads, which pooler is paused and for how long."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from infra.settings import Site
from runbooks.adapters import gate
from runbooks.core.errors import CommandFailed
from runbooks.core.leader import WRITES
from runbooks.parts.repositories import cluster
from tests.drills.stack import Stack, until

# A line each twentieth of a second: the monotonic clock, and whether the pooler is paused. It ends with its container.
WATCH = """
import time, psycopg2
console = psycopg2.connect(host="/run", port=6432, user="pgbouncer", dbname="pgbouncer", sslmode="disable")
console.autocommit = True
cursor = console.cursor()
while True:
    cursor.execute("SHOW DATABASES")
    columns = [column.name for column in cursor.description]
    rows = [dict(zip(columns, row)) for row in cursor.fetchall()]
    print(time.monotonic(), any(int(row["paused"]) for row in rows), flush=True)
    time.sleep(0.05)
"""


def writers(stack: Stack) -> list[Site]:
    """Return the sites whose database takes writes: one on a good day, and never two."""
    found = []
    for site in stack.estate.settings.sites:
        try:
            if stack.estate.member(site, "db").ask(WRITES):
                found.append(site)
        except CommandFailed:
            continue
    return found


def standing_by(stack: Stack) -> str:
    """Return the name of the site that does not lead."""
    (leading,) = writers(stack)
    return next(site.name for site in stack.estate.settings.sites if site != leading)


def at_rest(stack: Stack) -> bool:
    """Say whether one site leads, the other is in sync, and each pooler passes payments on to the leader."""
    try:
        passages = [stack.estate.member(site, "pooler").ask(gate.look()) for site in stack.estate.settings.sites]
        open_to_all = not any(seen.paused or seen.trouble for seen in passages)
        return open_to_all and len(writers(stack)) == 1 and cluster(stack.estate).in_sync
    except CommandFailed:
        return False


def settled(stack: Stack) -> None:
    """Wait until the leader can be moved, so that one drill does not disturb the next."""
    until(lambda: at_rest(stack), 120, "one leader, in sync, and both poolers open")


class Watched:
    """How long one site's pooler was paused at a stretch, as seen from within its container."""

    def __init__(self, container: str) -> None:
        """Begin to look."""
        argv = ["docker", "exec", container, "python3", "-c", WATCH]
        self._process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        self._seen: list[tuple[float, bool]] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            moment, paused = line.split()
            self._seen.append((float(moment), paused == "True"))

    def end(self) -> None:
        """Look no more."""
        self._process.kill()
        self._process.wait()
        self._thread.join()

    @property
    def looked(self) -> int:
        """How often it was looked."""
        return len(self._seen)

    @property
    def longest(self) -> float:
        """Return the longest spell in seconds, also one that has not ended; 0 where it was never paused."""
        longest, since = 0.0, None
        for moment, paused in self._seen:
            since = (moment if since is None else since) if paused else None
            longest = max(longest, moment - since if since is not None else 0.0)
        return longest


@contextmanager
def watched(stack: Stack) -> Iterator[dict[str, Watched]]:
    """Look at each site's pooler meanwhile."""
    seen = {site.name: Watched(stack.container(site.name, "pooler")) for site in stack.estate.settings.sites}
    try:
        until(lambda: all(each.looked for each in seen.values()), 10, "both poolers are looked at")
        yield seen
    finally:
        for each in seen.values():
            each.end()
