"""The embedded engine: carries out a plan on the Docker engines of the places, for machines without Pulumi's CLI.

It keeps no state: what stands, with its labels, is the state. Killed at any moment and run again, or after an engine
went away in the middle, it ends where it would have ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from graphlib import TopologicalSorter

import requests
from docker.errors import APIError, DockerException

from infra.embedded_change import make
from infra.embedded_plan import Change, Plan, removal
from infra.engines import Engines
from infra.settings import SettingsError

AT_ONCE = 4
NAMED = 3  # changes that a failure tells by name

Report = Callable[[Change, float], None]  # what was done, and the seconds it took


class ApplyFailed(SettingsError):
    """A change could not be made; the message says which, where and why, what was done before, and how to go on."""


def apply(planned: Plan, engines: Engines, report: Report) -> None:
    """Carry out `planned`, each change after those it names, at most AT_ONCE at a time. ApplyFailed in the middle."""
    order = TopologicalSorter({change: change.after for change in planned.changes})
    order.prepare()
    done: list[Change] = []
    running: dict[Future[float], Change] = {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        while order.is_active():
            running |= {pool.submit(_timed, change, engines): change for change in order.get_ready()}
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                change = running.pop(future)
                try:
                    seconds = future.result()
                except (DockerException, requests.RequestException, OSError) as error:
                    pool.shutdown(cancel_futures=True)  # waits for those under way
                    done += [one for rest, one in running.items() if not rest.cancelled() and not rest.exception()]
                    raise ApplyFailed(_failure(change, error, done, len(planned.changes))) from error
                report(change, seconds)
                done.append(change)
                order.done(change)


def down(engines: Engines, *, volumes: bool, report: Report, only: Collection[str] = (), role: str = "") -> None:
    """Remove every container and network of the stack, and its volumes where `volumes` says so; or of one `role`.

    EngineUnreachable where a place does not answer, unless `only` names others. ApplyFailed in the middle.
    """
    apply(removal(engines, volumes=volumes, only=only, role=role), engines, report)


def _timed(change: Change, engines: Engines) -> float:
    started = time.monotonic()
    make(change, engines.client(change.place))
    return time.monotonic() - started


def _failure(change: Change, error: Exception, done: Sequence[Change], of: int) -> str:
    cause = (
        f"the engine says: {error.explanation}"
        if isinstance(error, APIError)
        else f"the engine went away or did not answer ({type(error).__name__}: {error})"
    )
    names = ", ".join(f"{one.verb} {one.name}" for one in done[:NAMED]) or "nothing"
    more = f" and {len(done) - NAMED} more" if len(done) > NAMED else ""
    return (
        f"{change.place or 'link'}: {change.verb} {change.kind} {change.name}: {cause}\n"
        f"Done before: {names}{more}; {of - len(done)} of {of} changes are left. "
        "See to that place, then run the same again: it goes on from here"
    )
