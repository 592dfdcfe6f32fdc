"""The leader moves: a gate in each site's pooler holds payments until another leader takes writes."""

from __future__ import annotations

import time

from infra.settings import Site, container
from runbooks.adapters import gate, patroni, postgres, takeover
from runbooks.adapters.gate import WAITING, Held, Passage
from runbooks.core.errors import CommandFailed, NotVerified
from runbooks.core.host import Host
from runbooks.core.leader import WRITES
from runbooks.core.quorum import Etcd
from runbooks.core.run import Run
from runbooks.parts.movable import source, target
from runbooks.parts.repositories import cluster, everywhere

PATIENCE = 30  # seconds for which a gate waits for the leader to stop
ROUNDS = 2  # of Patroni, within which it acts on an order that it has read
AT_IT = ("starting", WAITING, "holding")


def write_checkpoint(run: Run) -> None:
    """Write what is in memory only: the leader has less to write when it stops."""
    _database(run, source(run)).do(postgres.checkpoint())


def rely_on_stream(run: Run) -> None:
    """Look into the archive now, so that the standby need not in the moment in which it takes over."""
    settings = run.settings
    repositories = [settings.repository(site) for site in (target(run), source(run))]
    timeline = cluster(run.estate).leader.timeline
    _database(run, target(run)).do(takeover.rely_on_stream(timeline, repositories))


def look_again(run: Run) -> None:
    """Let the standby look into its archive as ever, unless it takes over now: the mark ends by itself."""
    if takes_writes(run, source(run)):
        _database(run, target(run)).do(takeover.look_again())


def let_gates_wait(run: Run) -> None:
    """Have a gate wait in each site's pooler for the leader's word that it stops."""
    hold = run.settings.switchover.hold_seconds
    everywhere(run, lambda site: _pooler(run, site).do(gate.wait(run.id, hold, PATIENCE)), run.settings.sites)


def gates_wait(run: Run) -> bool:
    """Say whether a gate of this run waits at each site."""
    return all(seen.gate.run == run.id and seen.gate.state == WAITING for seen in _passages(run).values())


def dismiss_gates(run: Run) -> None:
    """End the gates that wait; one that holds payments lets them go on by itself, as soon as there is a leader."""

    def dismiss(site: Site) -> None:
        if _pooler(run, site).ask(gate.look()).gate.state != "holding":
            _pooler(run, site).do(gate.dismiss())

    everywhere(run, dismiss, run.settings.sites)


def hand_over(run: Run) -> None:
    """Have Patroni move the leader. What it answers is not the verdict; its refusal, with a leader untouched, is."""
    if not run.planning and not gates_wait(run):  # another runner's have had their time
        let_gates_wait(run)
    names = (container(run.settings, site, "db") for site in (source(run), target(run)))
    try:
        _database(run, source(run)).do(patroni.switchover(*names))
    except CommandFailed:
        if takes_writes(run, source(run)):
            raise


def has_stopped(run: Run) -> bool:
    """Say whether the leader of before takes no writes any more."""
    return not takes_writes(run, source(run))


def withdraw(run: Run) -> None:
    """Take the order back. NotVerified where the leader has begun to stop: then only forward is safe."""
    Etcd(run.estate).delete(f"/service/{run.settings.cluster}/failover")
    until = time.monotonic() + ROUNDS * run.settings.database.loop_wait_seconds
    while True:  # Patroni may have read the order a moment before
        if has_stopped(run) or any(seen.gate.state == "holding" for seen in _passages(run).values()):
            raise NotVerified(
                f"the leader at {source(run).name} had begun to stop. The move goes on by itself, and so do payments: "
                "./inv status shows who leads"
            )
        if time.monotonic() > until:
            return


def see_it_through(run: Run) -> None:
    """Nothing, where the leader is on its way. Where the old one was made to lead again, move it once more."""
    if not run.planning and takes_writes(run, source(run)):
        hand_over(run)


def leads_elsewhere(run: Run) -> None:
    """The target takes writes, the source does not, and each site's route leads to a leader that takes writes."""
    for site, wanted in ((target(run), True), (source(run), False)):
        if takes_writes(run, site) is not wanted:
            raise NotVerified(f"{_database(run, site).name} {'does not take' if wanted else 'still takes'} writes")
    for site, seen in _passages(run).items():
        if seen.trouble:
            raise NotVerified(f"the route of {site.name} leads to no leader: {seen.trouble}")


def let_payments_go_on(run: Run) -> None:
    """The gates have done so by themselves; a pooler that is still paused is told to."""
    if run.planning:
        everywhere(run, lambda site: _pooler(run, site).do(gate.resume()), run.settings.sites)
        return
    for site, seen in _passages(run).items():
        if seen.paused:
            _pooler(run, site).do(gate.resume())


def payments_go_on(run: Run) -> bool:
    """Say whether no pooler holds payments and no gate is at it, and note for how long they were held."""
    passages = _passages(run)
    if any(seen.paused or seen.gate.state in AT_IT for seen in passages.values()):
        return False
    gates = {site.name: seen.gate for site, seen in passages.items()}
    run.figures["held_seconds"] = {name: held.held for name, held in gates.items()}
    run.figures["quiet_seconds"] = {name: held.quiet for name, held in gates.items()}
    for name, held in gates.items():
        if trouble := _trouble(run, held):
            run.degraded(f"{name}: {trouble}")
    return True


def _trouble(run: Run, held: Held) -> str:
    """Return what was not as it should be with a gate, "" where all was."""
    if held.run != run.id or held.state in ("gone", "failed", "none"):
        return f"payments were not held while the leader moved: {held.why or 'its gate is gone'}"
    if held.state == "late":
        return f"payments went on after {held.held} s, before there was a leader"
    if not held.told:
        return "the leader stopped without a word to its gate: the payments on their way were sent twice, or failed"
    return ""


def in_sync_again(run: Run) -> None:
    """The leader of before follows, and holds every acknowledged payment."""
    name = container(run.settings, source(run), "db")
    for member in cluster(run.estate).members:
        if member.name == name and member.healthy and member.role == patroni.SYNCHRONOUS:
            return
    raise NotVerified(f"{name} is not in sync yet: the loss of {target(run).name} now would lose payments")


def takes_writes(run: Run, site: Site) -> bool:
    """Say whether the database of `site` takes writes, as it says itself; one that does not answer takes none."""
    try:
        return _database(run, site).ask(WRITES)
    except CommandFailed:
        return False


def _database(run: Run, site: Site) -> Host:
    return run.estate.member(site, "db")


def _pooler(run: Run, site: Site) -> Host:
    return run.estate.member(site, "pooler")


def _passages(run: Run) -> dict[Site, Passage]:
    found: dict[Site, Passage] = {}

    def look(site: Site) -> None:
        found[site] = _pooler(run, site).ask(gate.look())

    everywhere(run, look, run.settings.sites)
    return found
