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

from infra.embedded_change import HeldByNothing, make
from infra.embedded_plan import Change, Plan, removal
from infra.engines import Engines
from infra.settings import SettingsError

AT_ONCE = 4
NAMED = 3  # changes that a failure tells by name
REMOVALS = ("remove", "discard")

Report = Callable[[Change, float], None]  # what was done, and the seconds it took


class ApplyFailed(SettingsError):
    """A change could not be made; the message says which, where and why, what was done before, and how to go on."""


def apply(planned: Plan, engines: Engines, report: Report) -> Sequence[str]:
    """Carry out `planned`, each change after those it names, at most AT_ONCE at a time. ApplyFailed in the middle.

    Nothing more is begun after a change that failed; but where an engine would not remove something, all that does not
    wait for that is removed still. Returns a sentence for each network that stays though nothing is on it.
    """
    order = TopologicalSorter({change: change.after for change in planned.changes})
    order.prepare()
    done: list[Change] = []
    running: dict[Future[float], Change] = {}
    failed: list[tuple[Change, Exception]] = []
    stay: list[str] = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        while order.is_active():
            for change in order.get_ready():
                if not failed or (change.verb in REMOVALS and _goes_on(failed)):
                    running[pool.submit(_timed, change, engines)] = change
            if not running:
                break
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                change = running.pop(future)
                try:
                    seconds = future.result()
                except (DockerException, requests.RequestException, OSError) as error:
                    if isinstance(error, HeldByNothing) and change.verb in REMOVALS:
                        stay.append(_stays(change))
                        order.done(change)
                    else:
                        failed.append((change, error))
                else:
                    report(change, seconds)
                    done.append(change)
                    order.done(change)
            if failed and not _goes_on(failed):
                running = {future: change for future, change in running.items() if not future.cancel()}
    if failed:
        raise ApplyFailed(_failure(failed, done, len(planned.changes))) from failed[0][1]
    return stay


def down(
    engines: Engines, *, volumes: bool, report: Report, only: Collection[str] = (), role: str = ""
) -> Sequence[str]:
    """Remove every container and network of the stack, and its volumes where `volumes` says so; or of one `role`.

    EngineUnreachable where a place does not answer, unless `only` names others. ApplyFailed in the middle. Returns what
    `apply` returns.
    """
    return apply(removal(engines, volumes=volumes, only=only, role=role), engines, report)


def _timed(change: Change, engines: Engines) -> float:
    started = time.monotonic()
    make(change, engines.client(change.place))
    return time.monotonic() - started


def _goes_on(failed: Sequence[tuple[Change, Exception]]) -> bool:
    return all(change.verb in REMOVALS and isinstance(error, APIError) for change, error in failed)


def _failure(failed: Sequence[tuple[Change, Exception]], done: Sequence[Change], of: int) -> str:
    causes = (
        f"{change.place or 'link'}: {change.verb} {change.kind} {change.name}: {_cause(error)}"
        for change, error in failed
    )
    names = ", ".join(f"{one.verb} {one.name}" for one in done[:NAMED]) or "nothing"
    more = f" and {len(done) - NAMED} more" if len(done) > NAMED else ""
    return "\n".join(causes) + (
        f"\nDone before: {names}{more}; {of - len(done)} of {of} changes are left. "
        "See to that place, then run the same again: it goes on from here"
    )


def _cause(error: Exception) -> str:
    if not isinstance(error, APIError):
        return f"the engine went away or did not answer ({type(error).__name__}: {error})"
    return f"the engine says: {error.explanation}"


def _stays(change: Change) -> str:
    return (
        f"{change.place or 'link'}: network {change.name} stays, with nothing on it: its engine counted an endpoint "
        "too many, as older versions of Docker can. It harms nothing, and the next ./inv up uses it; to be rid of it, "
        "restart the engine, then ./inv down again"
    )
