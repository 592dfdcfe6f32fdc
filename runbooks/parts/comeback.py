"""A site's database comes back: by itself, for as long as anything moves, or made anew with its old data set aside."""

from __future__ import annotations

import time

from infra.settings import container
from runbooks.adapters import aside, docker, patroni, postgres, returning
from runbooks.adapters.returning import Told
from runbooks.core.errors import CommandFailed, NotReady, NotVerified
from runbooks.core.host import Host
from runbooks.core.leader import WRITES
from runbooks.core.run import Run
from runbooks.parts.release import say_what_is_kept
from runbooks.parts.repositories import databases_bytes
from runbooks.parts.returned import here, led
from runbooks.parts.space import MORE

LOOK = 1.0  # seconds between two looks
STANDS_STILL = 60.0  # seconds without a sign after which it does not come back by itself
OWN = "nothing to do"
WAYS = {
    "rewind": "Patroni rewound it",
    "repository": "it was made anew from a repository",
    "leader": "it was copied from the leader, as no repository leads to it",
    OWN: "it has its own data, and what it lacked came with the log",
}


def it_is_seen(run: Run) -> None:
    """Note whether there is anything to do for it."""
    run.remember("was_well", _quietly_well(run))


def see_it_come(run: Run) -> None:
    """Give Patroni time to rewind it, copy it, or let it catch up, for as long as anything moves; else note why not.

    One that runs beside a leader of another history is restarted, once: Patroni compares the logs at a start.
    """
    if run.planning:
        return
    places: set[str] = set()
    moved = time.monotonic()
    while not _quietly_well(run):
        _leader_is_there(run)
        told, signs = _told(run), _signs(run)
        if told.parted and not run.recall("restarted"):
            _restart(run)
            moved = time.monotonic()
            continue
        if signs.copying or (signs.places - places and not told.hopeless):
            places |= signs.places
            moved = time.monotonic()
        elif told.hopeless or time.monotonic() - moved > STANDS_STILL:
            _anew(run, told.hopeless or told.lacks or f"nothing has moved for {STANDS_STILL:.0f} s")
            return
        time.sleep(LOOK)


def _restart(run: Run) -> None:
    engine, name = run.estate.place(here(run)), container(run.settings, here(run), "db")
    run.estate.console.print(
        f"{name} runs on beside a leader of another history: it is restarted, so that Patroni rewinds it"
    )
    engine.do(docker.stop(name))
    engine.do(docker.start(name))
    run.remember("restarted", True)


def _leader_is_there(run: Run) -> None:
    """Without a leader nothing moves, and nothing of the one that comes back is to blame for that."""
    if not run.estate.member(led(run), "db").ask(WRITES):
        raise NotVerified(f"{led(run).name} leads no more: ./inv status, and rejoin again when a leader takes writes")


def it_came(run: Run) -> bool:
    """Say whether it is a standby in sync, or it is known that it has to be made anew."""
    if run.arguments.get("clone") and not run.recall("anew"):
        run.remember("anew", "it was asked for")
    return bool(run.recall("anew")) or is_well(run)


def make_anew(run: Run) -> None:
    """Set its data aside, and let Patroni make it anew: from a repository, from the leader where none leads to it.

    What it has that the leader lacks may be all that is left of that, so it is kept until somebody removes it.
    """
    if not run.planning:
        _leader_is_there(run)  # a dead run may be finished when this one leads
    engine, name = run.estate.place(here(run)), container(run.settings, here(run), "db")
    run.remember("stopped_for_it", True)
    engine.do(docker.stop(name))
    _room_for_two(run)
    _beside(run).do(aside.set_aside(run.settings.database.path, run.id))
    engine.do(docker.start(name))
    run.remember("made_anew", True)


def keep_what_it_wrote(run: Run) -> None:
    """Set the data aside of one that took writes beside the leader: a rewind would lose what may be nowhere else."""
    _room_for_two(run)
    _beside(run).do(aside.set_aside(run.settings.database.path, run.id))
    run.remember("anew", "it took writes beside the leader")
    run.remember("made_anew", True)


def is_made_anew(run: Run) -> bool:
    """Say whether that was begun, or need not be."""
    return bool(run.recall("made_anew")) or (not run.recall("anew") and is_well(run))


def put_back(run: Run) -> None:
    """Put the old data back in its place."""
    if not run.recall("stopped_for_it"):
        return
    engine, name = run.estate.place(here(run)), container(run.settings, here(run), "db")
    engine.do(docker.stop(name))
    _beside(run).do(aside.put_back(run.settings.database.path, run.id))
    engine.do(docker.start(name))
    run.remember("made_anew", False)


def is_well(run: Run) -> bool:
    """Say whether it is a standby in sync on the leader's timeline, and close behind; note how it came to be."""
    _look(run)
    _note(run)
    return True


def _look(run: Run) -> None:
    """NotVerified where it is not."""
    seen = run.estate.member(led(run), "db").ask(patroni.cluster())
    name = container(run.settings, here(run), "db")
    member = next((each for each in seen.members if each.name == name), None)
    if member is None:
        raise NotVerified(f"{name} is no member of the cluster yet")
    if not (member.healthy and member.role == patroni.SYNCHRONOUS and member.timeline == seen.leader.timeline):
        raise NotVerified(f"{name} is {member.role}, {member.state}, on timeline {member.timeline}")
    lag = run.estate.member(here(run), "db").ask(postgres.recovery()).replay_lag_seconds
    if lag > run.settings.switchover.replay_lag_seconds:
        raise NotVerified(f"{name} replays {lag:.0f} s behind")


def _note(run: Run) -> None:
    """Note once by which way it came back, and in how many seconds since the run began."""
    if run.figures.get("rejoined_by") or run.planning:
        return
    untouched = run.recall("was_well") and run.recall("voter") == "stays" and not run.recall("made_anew")
    run.figures["rejoined_by"] = OWN if untouched else _told(run).way or OWN
    run.figures["rejoin_seconds"] = round(time.time() - run.recall("began"), 1)
    if why := run.recall("anew"):
        run.figures["anew_because"] = why
    run.estate.console.print(f"{here(run).name}: {WAYS[run.figures['rejoined_by']]}")
    if run.recall("made_anew"):
        say_what_is_kept(run, [here(run)])


def _quietly_well(run: Run) -> bool:
    try:
        _look(run)
    except (CommandFailed, NotReady, NotVerified):
        return False
    return True


def _told(run: Run) -> Told:
    return run.estate.place(here(run)).ask(returning.told(container(run.settings, here(run), "db")))


def _signs(run: Run) -> returning.Signs:
    try:
        return run.estate.member(here(run), "db").ask(returning.signs())
    except CommandFailed:  # its container ends again and again
        return returning.Signs(places=frozenset(), copying=False)


def _anew(run: Run, why: str) -> None:
    run.remember("anew", why)
    run.estate.console.print(f"{here(run).name} cannot come back with its data: {why}")


def _room_for_two(run: Run) -> None:
    if run.planning:
        return
    space = _beside(run).ask(docker.free(docker.DATA))
    need = int(databases_bytes(run.estate) * MORE)
    if space.free < need:
        raise NotVerified(
            f"{here(run).name}: {space.free >> 20} MiB free, and a second copy needs {need >> 20}: enlarge its volume, "
            f"or remove what is kept there (./inv restore.release RUN), or {run.settings.database.path} by hand"
        )


def _beside(run: Run) -> Host:
    return run.estate.member(here(run), "backup")
