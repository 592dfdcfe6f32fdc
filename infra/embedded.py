"""The embedded engine: carries out a plan on the Docker engines of the places, for machines without Pulumi's CLI.

It keeps no state: what stands, with its labels, is the state. Killed at any moment and run again, or after an engine
went away in the middle, it ends where it would have ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from graphlib import TopologicalSorter

from docker.errors import APIError

from infra.embedded_change import make, remove
from infra.embedded_compare import Refused
from infra.embedded_plan import Change, Plan, refuse_others
from infra.engines import Engines
from infra.present import look
from infra.settings import SettingsError

AT_ONCE = 4

Report = Callable[[Change, float], None]  # what was done, and the seconds it took


class ApplyFailed(SettingsError):
    """A change could not be made; the message says which, where, what was done before, and how to go on."""


def apply(planned: Plan, engines: Engines, report: Report) -> None:
    """Carry out `planned`: first what goes, then what comes, at most AT_ONCE changes at a time.

    Raises Refused before anything is changed where an image is missing, and ApplyFailed in the middle.
    """
    _refuse_missing_images(planned)
    order = _order(planned)
    by_key = {change.key: change for change in planned.changes}
    done: list[Change] = []
    running: dict[Future[float], Change] = {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        while order.is_active():
            for key in order.get_ready():
                running[pool.submit(_timed, by_key[key], planned, engines)] = by_key[key]
            failed: tuple[Change, BaseException] | None = None
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                change = running.pop(future)
                if error := future.exception():
                    failed = change, error
                    break
                report(change, future.result())
                done.append(change)
                order.done(change.key)
            if failed:
                done += [change for future, change in running.items() if not future.exception()]  # waits for them
                raise _failed(*failed, done, planned) from failed[1]


def down(engines: Engines, *, volumes: bool, report: Callable[[str, str], None], only: Collection[str] = ()) -> None:
    """Remove every container and network of the stack, and its volumes where `volumes` says so.

    EngineUnreachable where a place does not answer, unless `only` names others. Refuses what Pulumi made.
    """
    clients = {engines.engine(place): engines.client(place) for place in only or engines.places}
    present = {engine: look(client, engines.settings.stack) for engine, client in clients.items()}
    refuse_others(present.values())
    for engine, here in present.items():
        for kind in ("container", "network", "volume") if volumes else ("container", "network"):
            # Nothing needs to close properly where all data goes.
            gone = partial(remove, kind, client=clients[engine], kill=volumes)
            with ThreadPoolExecutor(AT_ONCE) as pool:
                for name, _ in zip(here.found[kind], pool.map(gone, here.found[kind]), strict=True):
                    report(kind, name)


def _order(planned: Plan) -> TopologicalSorter[tuple[str, str]]:
    """Containers go before their networks; all that goes, before anything comes: it may hold a port or a name."""
    going = {change.key for change in planned.changes if change.verb == "remove"}
    order: TopologicalSorter[tuple[str, str]] = TopologicalSorter()
    for change in planned.changes:
        if change.verb != "remove":
            order.add(change.key, *going, *change.after)
        else:
            order.add(change.key, *(key for key in going if change.kind == "network" and key[0] == "container"))
    order.prepare()
    return order


def _timed(change: Change, planned: Plan, engines: Engines) -> float:
    started = time.monotonic()
    image = planned.images.get((change.place, str(change.declared.inputs.get("image")))) if change.declared else None
    make(change, engines.client(change.place), image)
    return time.monotonic() - started


def _refuse_missing_images(planned: Plan) -> None:
    missing = {
        (change.place, str(change.declared.inputs["image"]))
        for change in planned.changes
        if change.kind == "container" and change.declared is not None
        if planned.images[change.place, change.declared.inputs["image"]] is None
    }
    if missing:
        lines = ", ".join(f"{image} at {place}" for place, image in sorted(missing))
        raise Refused(f"images are missing: {lines}. `./inv up` builds and delivers them; nothing was changed")


def _failed(change: Change, error: BaseException, done: list[Change], planned: Plan) -> ApplyFailed:
    if isinstance(error, APIError):
        reason = f"the engine says: {error.explanation}"
    else:
        reason = f"the engine went away or did not answer ({type(error).__name__}: {error})"
    names = ", ".join(f"{one.verb} {one.name}" for one in done) or "nothing"
    left = len(planned.changes) - len(done)
    return ApplyFailed(
        f"{change.place}: {change.verb} {change.kind} {change.name}: {reason}.\n"
        f"Done before: {names}; {left} of {len(planned.changes)} changes are left. "
        "See to that place, then `./inv up` again: it goes on from here."
    )
