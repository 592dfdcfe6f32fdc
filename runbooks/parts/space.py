"""Room for copies on the disk of the site's own database, which must keep its own."""

from __future__ import annotations

from runbooks.adapters import docker
from runbooks.core.errors import NotReady
from runbooks.core.run import Run
from runbooks.parts.apart import here

MORE = 1.2  # times the database's size: what is restored, and the log that is replayed


def there_is_room(run: Run) -> None:
    """Refuse where the copy would take what the database needs."""
    room_for(run, 1)


def room_for(run: Run, copies: int) -> None:
    """Raise NotReady unless so many more copies have room."""
    host = run.estate.member(here(run), "backup")
    space = host.ask(docker.free(docker.DATA))
    need = int(run.recall("backup")["database_bytes"] * MORE) * copies + run.settings.backup.free_bytes
    if space.free < need:
        what = "the copy needs" if copies == 1 else f"{copies} copies need"
        raise NotReady(
            f"{host.name}: {space.free / 2**20:.0f} MiB free, and {what} {need / 2**20:.0f} with the room that "
            "separuh:backup.free_bytes keeps: drill at the other site (--site), or enlarge the disk"
        )
