"""The checker for two leaders: both sides of a fault are written to by every path there is.

All that was acknowledged is compared with the history that survives, and with when it was.
"""

from __future__ import annotations

import threading
import time
from dataclasses import asdict, dataclass, field

from infra.settings import PORTS, Site, address
from runbooks.adapters import both_sides, credit
from runbooks.adapters.both_sides import Heard, Writers
from runbooks.core.errors import NotVerified, SeparuhError
from runbooks.core.leader import leader
from runbooks.core.perform import wait_until_holds
from runbooks.core.run import Run, Step
from runbooks.parts import aim, paying
from runbooks.parts.repositories import everywhere
from runbooks.parts.two_leaders import compare

SETTLED = 10  # writes on the new timeline after which both sides have been seen side by side
PAYING = ("gateway", "service")
LEADERLESS = 90.0  # seconds for a leader to be there, where a fault was lifted before another had been seen
JOINED = 30.0  # seconds for a program to end, once it was told to


@dataclass
class _Writing:
    """What writes from one site, and what it heard."""

    thread: threading.Thread
    heard: Heard = field(default_factory=Heard)
    offset: float = 0.0  # of the site's clock against this machine's
    failure: str = ""


_live: dict[str, dict[str, _Writing]] = {}


def asked(run: Run) -> bool:
    """Say whether both sides are to be written to."""
    return run.arguments.get("check_both", "yes") == "yes"


def begin(run: Run) -> None:
    """Make the table, and write from both sites by every path until told to end."""
    if run.resumed:
        return
    leader(run.estate).do(both_sides.prepare(run.settings.cluster))
    _live[run.id] = {}
    for number, site in enumerate(run.settings.sites):
        writers = _writers(run, site, number)
        if run.planning:
            run.estate.member(site, "backup").do(both_sides.write(run.id, writers))
            continue
        _live[run.id][site.name] = _begun(run, site, writers)


def write(run: Run) -> bool:
    """Say whether the leader took a write by every path that leads to it."""
    if run.resumed:
        return True
    if run.id not in _live:
        return False
    written = leader(run.estate).ask(both_sides.writing(run.settings.cluster))
    led = aim.struck(run).name
    wanted = {f"{site.name}/{path}" for site in run.settings.sites for path in ("pooler", "route", f"db-{led}")}
    if missing := wanted - written:
        raise NotVerified(f"nothing was written by {', '.join(sorted(missing))}")
    return True


def has_seen(run: Run) -> bool:
    """Say whether enough was written to the new leader, so that the sides were seen side by side."""
    return leader(run.estate).ask(both_sides.later(run.settings.cluster, run.recall("timeline"))) >= SETTLED


def end(run: Run) -> None:
    """End the writing, and remove the table, once there is a leader that can."""

    def forget(run: Run) -> None:
        leader(run.estate).do(both_sides.forget(run.settings.cluster))

    _end(run)
    if run.planning:
        forget(run)
    else:
        wait_until_holds(Step("the table is gone", lambda _: None, forget, within=LEADERLESS), run)


def judge(run: Run) -> None:
    """End the writing, and compare what was acknowledged with what is there."""
    if run.planning:
        end(run)
        return
    writing = _end(run)
    if writing and not run.resumed:
        heard = {site: each.heard for site, each in writing.items()}
        offsets = {site: each.offset for site, each in writing.items()}
        verdict = compare(heard, offsets, _gone(run, heard), run.recall("timeline"), run.recall("struck_at"))
        run.remember("both_sides", asdict(verdict))
        run.figures["second_leader_writes"] = len(verdict.overlapping)
        run.figures["lost_writes"] = len(verdict.lost)
        for site, each in writing.items():
            if each.failure:
                run.degraded(f"{site}: what was acknowledged there was not all heard: {each.failure}")
    end(run)


def _writers(run: Run, site: Site, number: int) -> Writers:
    settings = run.settings
    paths = {"pooler": address(settings, site, site, "pooler"), "route": f"leader:{PORTS['route']}"}
    paths |= {f"db-{other.name}": address(settings, site, other, "db") for other in settings.sites}
    paths["gateway"] = f"http://{address(settings, site, site, 'gateway')}/payments"
    paths["service"] = f"http://{address(settings, site, site, 'api')}/payments"
    share = paying.others(run)[number :: len(settings.sites)]
    return Writers(
        site=site.name,
        database=settings.cluster,
        password=run.secrets.password("credit"),
        paths=paths,
        payments={name: share[turn :: len(PAYING)] for turn, name in enumerate(PAYING)},
        seconds=paying.AT_MOST,
    )


def _begun(run: Run, site: Site, writers: Writers) -> _Writing:
    host = run.estate.member(site, "backup")
    writing = _Writing(threading.Thread(daemon=True))
    if not run.settings.one_engine:  # else it is the same clock
        before = time.time()
        there = host.ask(both_sides.clock())
        writing.offset = there - (before + time.time()) / 2

    def hear() -> None:
        try:
            writing.heard = host.ask(both_sides.write(run.id, writers))
        except SeparuhError as failure:
            writing.failure = str(failure)

    writing.thread = threading.Thread(target=hear, daemon=True)
    writing.thread.start()
    return writing


def _end(run: Run) -> dict[str, _Writing]:
    """End the programs, and return what each has heard; one in a container that was killed ended with it."""
    everywhere(run, lambda site: run.estate.member(site, "backup").do(both_sides.end(run.id)), run.settings.sites)
    writing = _live.pop(run.id, {})
    for site, each in writing.items():
        each.thread.join(JOINED)
        if each.thread.is_alive():
            each.failure = f"the program at {site} did not end"
    return writing


def _gone(run: Run, heard: dict[str, Heard]) -> list[str]:
    """Return each acknowledged write that is not there, and say of payments how many are not."""
    found = leader(run.estate).ask(both_sides.survived(run.settings.cluster))
    everything = [each for its in heard.values() for each in its.acknowledged]
    gone = [each.key for each in everything if each.timeline and each.key not in found]
    lines = "".join(f"{each.key}\n" for each in everything if not each.timeline)
    audit = leader(run.estate).ask(credit.audit(run.settings.cluster, run.id, lines))
    return gone + [f"{audit.lost} payments"] * bool(audit.lost)
