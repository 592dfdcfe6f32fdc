"""A stack without daemons: a quorum kept in a file that processes share, and a world that runbooks change."""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from infra.settings import Place, Settings, Site


class FileQuorum:
    """What `Etcd` promises, kept in one locked file. Leases end by a clock of its own, as in etcd."""

    def __init__(self, path: Path) -> None:
        """Begin empty unless the file is there."""
        self._path = path

    @contextmanager
    def _state(self) -> Iterator[dict[str, Any]]:
        with self._path.open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            state = json.loads(file.read() or '{"keys": {}, "leases": {}, "next": 1}')
            living = {lease: end for lease, (end, _) in state["leases"].items() if end > time.monotonic()}
            state["leases"] = {lease: state["leases"][lease] for lease in living}
            state["keys"] = {k: v for k, v in state["keys"].items() if not v[1] or v[1] in living}
            yield state
            file.truncate(0)
            file.write(json.dumps(state))

    def get(self, key: str) -> str | None:
        """Return the value of `key`."""
        with self._state() as state:
            found = state["keys"].get(key)
            return found[0] if found else None

    def claim(self, key: str, value: str, ttl: int) -> str | None:
        """Create `key` on a new lease."""
        with self._state() as state:
            if key in state["keys"]:
                return None
            lease = str(state["next"])
            state["next"] += 1
            state["leases"][lease] = [time.monotonic() + ttl, ttl]
            state["keys"][key] = [value, lease]
            return lease

    def put(self, key: str, value: str, guard: tuple[str, str]) -> bool:
        """Write `key` if the guard holds."""
        with self._state() as state:
            if state["keys"].get(guard[0], [None])[0] != guard[1]:
                return False
            state["keys"][key] = [value, ""]
            return True

    def delete(self, key: str) -> None:
        """Remove `key`."""
        with self._state() as state:
            state["keys"].pop(key, None)

    def keep(self, lease: str) -> bool:
        """Renew a lease."""
        with self._state() as state:
            if lease not in state["leases"]:
                return False
            ttl = state["leases"][lease][1]
            state["leases"][lease] = [time.monotonic() + ttl, ttl]
            return True

    def revoke(self, lease: str) -> None:
        """End a lease."""
        with self._state() as state:
            state["leases"].pop(lease, None)


class World:
    """What the steps of a test's runbook change: a list of marks in a file, in the order in which they were made."""

    def __init__(self, path: Path) -> None:
        """Begin empty unless the file is there."""
        self._path = path

    @property
    def marks(self) -> list[str]:
        """Every mark that stands."""
        return self._path.read_text().split() if self._path.exists() else []

    def make(self, mark: str) -> None:
        """Leave a mark."""
        self._path.write_text("\n".join([*self.marks, mark]))

    def take_back(self, mark: str) -> None:
        """Remove a mark, if it stands."""
        self._path.write_text("\n".join(m for m in self.marks if m != mark))


SETTINGS = Settings(
    stack="unit",
    sites=(Site(name="one", city="One"), Site(name="two", city="Two")),
    witness=Place(name="wit", city="W"),
)
