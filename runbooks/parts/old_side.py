"""What answers of the side that is given up is kept from writing when it returns; what does not answer is named.

An engine does not start by itself what it was told to stop, but `up` does, and so does whoever means well. So without
a quorum a database that is stopped is not enough: the votes that a leader there would need are set aside.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

from infra.settings import Place, container
from runbooks.adapters import docker, reformed
from runbooks.core.errors import CommandFailed, NotVerified
from runbooks.core.run import Run
from runbooks.parts.known import peer
from runbooks.parts.movable import target
from runbooks.parts.point import say
from runbooks.parts.stricken import DECIDED, alone, other, others, quorum, sworn, voters

DATABASE_SECONDS = 10  # to stop by itself: one that is well hands over what it has, one that hangs is killed
WAY = ("pooler", "gateway")  # by which customers reach a database


def fence(run: Run) -> None:
    """Stop the database of the other site, and without a quorum set aside each vote that can be reached.

    NotVerified where there is a quorum again, as when a dead run is finished later: whoever leads by it is well.
    """
    if not run.planning and alone(run) and quorum(voters(run)):
        raise NotVerified(DECIDED)
    fenced, open_ = list[str](), dict[str, str]()
    _note_what_runs(run)
    acts = [partial(_database, run, fenced, open_)]
    acts += [partial(_vote, run, place, fenced, open_) for place in others(run) if alone(run)]
    with ThreadPoolExecutor(max_workers=1 if run.planning else len(acts)) as pool:
        begun = [pool.submit(act) for act in acts]
    for each in begun:
        each.result()
    if run.planning:
        return
    fenced.sort()
    for name, why in open_.items():
        say(run, f"NOT FENCED: {name}: {why}")
    run.remember("open", open_)
    run.remember("fenced", fenced)
    if not _is_enough(run):
        raise NotVerified(
            "no vote of the old cluster could be set aside: see above, and --fenced in ./inv --help failover"
        )
    run.figures |= {"fenced": fenced, "not_fenced": open_, "sworn": sworn(run)}


def is_fenced(run: Run) -> bool:
    """Say whether what was fenced does not run, each of its votes is set aside, and it is enough."""
    fenced: list[str] | None = run.recall("fenced")
    if fenced is None or not _is_enough(run):
        return False
    for place in others(run):
        names = [name for name in fenced if _is_at(run, place, name)]
        if not names:
            continue
        engine = run.estate.place(place)
        if any(each.running for each in engine.ask(docker.state(*names)).values()):
            return False
        if not all(engine.ask(reformed.is_barred(name, run.id)) for name in names if name.endswith("-etcd-1")):
            return False
    return True


def release(run: Run) -> None:
    """Give each vote back, and start what was stopped. What cannot be reached any more was not fenced either."""
    failures = []
    for place in others(run):
        if place.name not in run.recall("reached", ()):
            continue
        engine = run.estate.place(place)
        etcd, database = (container(run.settings, place, role) for role in ("etcd", "db"))
        ran = run.recall("ran", [])
        try:
            if alone(run) and engine.ask(reformed.is_begun(etcd, run.id)):
                engine.do(reformed.unbar(etcd, run.id))
            for name in (etcd, database, *(container(run.settings, place, role) for role in WAY)):
                if name in ran:
                    engine.do(docker.start(name))
        except CommandFailed as failure:
            failures.append(str(failure))
    if failures:
        raise NotVerified("\n".join(failures))


def database_is_fenced(run: Run) -> bool:
    """Say whether the database of the other site was stopped; while planning whether it can be."""
    if run.planning:
        return other(run).name in run.recall("reached")
    return container(run.settings, other(run), "db") in run.recall("fenced", [])


def votes(run: Run) -> list[str]:
    """Return the voters whose data was set aside."""
    names = {container(run.settings, place, "etcd") for place in others(run)}
    return [name for name in run.recall("fenced", []) if name in names]


def peers(run: Run, *places: Place) -> dict[str, str]:
    """Return the name and URL of each voter, as the other voters reach it."""
    return {container(run.settings, place, "etcd"): peer(run, place) for place in places}


def token(run: Run) -> str:
    """Return the token of the cluster that this run makes."""
    return f"{run.settings.stack}-{run.id.rpartition('-')[2]}"


def _is_enough(run: Run) -> bool:
    """Say whether the old majority cannot come back: by a quorum that there is, a vote set aside, or a word given."""
    return bool(not alone(run) or votes(run) or sworn(run))


def _database(run: Run, fenced: list[str], open_: dict[str, str]) -> None:
    """Stop it; where that cannot be done, the way by which customers reach it."""
    site, engine = other(run), run.estate.place(other(run))
    name, *way = (container(run.settings, site, role) for role in ("db", *WAY))
    if site.name not in run.recall("reached"):
        open_[name] = "its engine does not answer"
        return
    try:
        engine.do(docker.stop(name, DATABASE_SECONDS))
        fenced.append(name)
    except CommandFailed as failure:
        open_[name] = f"it could not be stopped, so the way to it was: {_last_line(failure)}"
        for each in way:
            try:
                engine.do(docker.stop(each, 1))
            except CommandFailed as also:
                open_[each] = f"nor could that be stopped: {_last_line(also)}"


def _vote(run: Run, place: Place, fenced: list[str], open_: dict[str, str]) -> None:
    name = container(run.settings, place, "etcd")
    if place.name not in run.recall("reached"):
        sworn_off = " You have said that it is switched off" if place.name in sworn(run) else ""
        open_[name] = f"its engine does not answer.{sworn_off}"
        return
    joining = peers(run, target(run), place)
    try:
        run.estate.place(place).do(reformed.bar(name, run.id, token(run), joining))
        fenced.append(name)
    except CommandFailed as failure:
        open_[name] = f"its data could not be set aside: {_last_line(failure)}"


def _note_what_runs(run: Run) -> None:
    """Remember what is to be started again should it all be taken back; an earlier runner's word counts."""
    ran = set(run.recall("ran", []))
    for place in others(run):
        if place.name in run.recall("reached"):
            names = [container(run.settings, place, role) for role in ("etcd", "db", *WAY)]
            seen = run.estate.place(place).ask(docker.state(*names))
            ran |= {name for name in names if name in seen and seen[name].running}
    run.remember("ran", sorted(ran))


def _is_at(run: Run, place: Place, name: str) -> bool:
    return name.startswith(f"{run.settings.stack}-{place.name}-")


def _last_line(failure: CommandFailed) -> str:
    return str(failure).splitlines()[-1].strip()
