"""The log behind a point in time, closed and in the archives, so that recovery finds where to stop."""

from __future__ import annotations

from runbooks.adapters import postgres, replay
from runbooks.core.errors import NotVerified
from runbooks.core.leader import leader
from runbooks.core.run import Run
from runbooks.parts import second, throwaway
from runbooks.parts.repositories import segments


def close(run: Run) -> None:
    """Commit something behind the point on the leader and end its segment, as a backup does behind its own."""
    serving = leader(run.estate)
    before = postgres.segment(*serving.ask(replay.written()))
    serving.do(replay.pass_moment())
    after = postgres.segment(*serving.ask(replay.written()))
    run.remember("closed", postgres.between(before, after)[:-1])  # the last is still written


def closed(run: Run) -> bool:
    """Say whether the segment was ended and has come to each repository that is restored from."""
    wanted = run.recall("closed")
    if wanted is None:
        return False
    other = [second.site(run)] if second.backup(run) else []
    for site in (throwaway.origin(run), *other):
        if missing := sorted(set(wanted) - set(segments(run.estate, site))):
            raise NotVerified(f"{site.name}: {', '.join(missing)}, behind the point, is not in its archive yet")
    return True
