"""The fingerprint that ends a backup: of a member held at one exact point, while the cluster goes on.

A standby that streams is held, which nobody notices. Where there is none it is the leader, whose writers then wait for
a moment.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass

from infra.settings import Site, container
from runbooks.adapters import barrier, content, definitions, postgres, replay
from runbooks.adapters.replay import Held
from runbooks.core.command import Query, T
from runbooks.core.errors import CommandFailed, NotVerified
from runbooks.core.evidence import Point
from runbooks.core.host import Host
from runbooks.core.leader import leader
from runbooks.core.perform import wait_until_holds
from runbooks.core.run import Check, Run, Step
from runbooks.parts import source
from runbooks.parts.fingerprint import Sequences, reach, take
from runbooks.parts.repositories import chosen, cluster, everywhere, segments
from runbooks.parts.source import Source

SETTLING = 30.0  # seconds for a standby in sync to replay what is written, and for a leader's long writers to end
ATTEMPTS = 20  # Patroni may let replay go on in the middle of one, once a second
STANDBY, BARRIER = "standby", "barrier"


@dataclass(frozen=True)
class Still:
    """A member as it was when it was held, whatever it replays or writes meanwhile."""

    member: Host
    held: Held

    def ask(self, question: Query[T]) -> T:
        """Ask it in the snapshot of the question's database."""
        if question.database not in self.held.snapshots:
            raise NotVerified(f"{self.member.name}: the database {question.database} was made in the middle of it")
        return self.member.ask(content.in_snapshot(question, self.held.snapshots[question.database]))


def take_fingerprint(run: Run) -> None:
    """Hold a member behind the new backups, take its fingerprint, and keep it in both buckets.

    NotVerified where it cannot be held.
    """
    serving = leader(run.estate)
    standby = _standby(run)
    member = standby or serving
    try:
        if run.planning:
            _show(run, standby, serving)
            return
        found = _taken(run, member, serving)
    finally:
        member.do(replay.release(run.id))
    labels = {made["label"] for made in run.figures["repositories"].values()}
    everywhere(run, lambda site: _keep(run, site, labels, found))
    run.figures["fingerprint"] |= {"rows": found.fingerprint.rows, "lsn": found.point.lsn}


def let_go(run: Run) -> None:
    """Release the member of every site: a dead runner may have held either."""
    for site in run.settings.sites:
        with contextlib.suppress(CommandFailed):  # one that does not answer holds nothing once it is started again
            run.estate.member(site, "db").do(replay.release(run.id))


def _show(run: Run, standby: Host | None, serving: Host) -> None:
    """Show what would hold the member."""
    seconds = run.settings.backup.fingerprint_seconds
    if standby:
        standby.do(replay.hold(run.id, seconds, {}))
    else:
        serving.do(barrier.hold(run.id, run.settings.backup.barrier_seconds, seconds, {}))
    serving.do(replay.close_segment(_name(run)))


def _taken(run: Run, member: Host, serving: Host) -> Source:
    """Return the fingerprint of a member, and the point of the log that it is of."""
    end, timeline = serving.ask(replay.written())
    scheme = BARRIER if member is serving else STANDBY
    if scheme == STANDBY:
        _await(lambda run: member.ask(replay.reached(end)), run, f"{member.name} has replayed the backup's end")
    held, sequences = (_hold_leader if scheme == BARRIER else _hold_standby)(run, member)
    serving.do(replay.close_segment(_name(run)))
    run.figures["fingerprint"] = {"scheme": scheme, "held_seconds": held.seconds}
    point = Point(scheme=scheme, lsn=held.lsn, timeline=timeline, at=held.at)
    within = run.settings.backup.fingerprint_seconds
    return Source(point=point, fingerprint=take(Still(member, held), within, sequences=sequences))


def _hold_standby(run: Run, standby: Host) -> tuple[Held, Mapping[str, Sequences]]:
    """Pause a standby's replay for a moment; return where, and how far each database's sequences had come there."""
    within = run.settings.backup.fingerprint_seconds
    questions = {database: reach(standby, database) for database in standby.ask(content.databases())}
    for _ in range(ATTEMPTS):
        standby.do(replay.release(run.id))
        if held := standby.ask(replay.hold(run.id, within, {name: each.sql for name, each in questions.items()})):
            return held, {name: each.parse(held.rows[name]) for name, each in questions.items()}
    raise NotVerified(f"{standby.name}: replay went on in the middle of each of {ATTEMPTS} snapshots")


def _hold_leader(run: Run, serving: Host) -> tuple[Held, Mapping[str, Sequences]]:
    """Let the leader's writers wait for a moment; try again for a while where one keeps its locks for longer."""
    settings, found = run.settings.backup, list[Held]()
    known = {database: serving.ask(definitions.sequences(database)) for database in serving.ask(content.databases())}
    questions = {database: definitions.reaching(each) for database, each in known.items()}

    def holds(run: Run) -> None:
        serving.do(replay.release(run.id))
        command = barrier.hold(run.id, settings.barrier_seconds, settings.fingerprint_seconds, questions)
        found.append(serving.ask(command))

    _await(holds, run, f"{serving.name} is held")
    held = found[-1]
    return held, {name: definitions.reached(name, each).parse(held.rows[name]) for name, each in known.items()}


def _name(run: Run) -> str:
    return f"separuh-{run.id}"


def _keep(run: Run, site: Site, labels: set[str], found: Source) -> None:
    for label in sorted(labels):
        source.store(run, site, label, found)


def fingerprinted(run: Run) -> bool:
    """Say whether each bucket has the fingerprint of each backup of this run, and the log up to its point."""
    labels = {made["label"] for made in run.figures.get("repositories", {}).values()}
    return bool(labels) and all(_restorable(run, site, label) for site in chosen(run) for label in labels)


def _restorable(run: Run, site: Site, label: str) -> bool:
    if not (found := source.fetch(run.estate, site, label)):
        return False
    wanted = postgres.segment(found.point.lsn, found.point.timeline)
    if wanted not in segments(run.estate, site):
        raise NotVerified(f"{site.name}: segment {wanted}, with the fingerprint's point, is not in its archive yet")
    return True


def _standby(run: Run) -> Host | None:
    """Return a standby that streams, one in sync first; Patroni may still name one that is gone."""
    hosts = {container(run.settings, site, "db"): run.estate.member(site, "db") for site in run.settings.sites}
    for member in cluster(run.estate).standbys:
        with contextlib.suppress(CommandFailed):
            if hosts[member.name].ask(replay.streams()):
                return hosts[member.name]
    return None


def _await(holds: Check, run: Run, what: str) -> None:
    wait_until_holds(Step(what, lambda _: None, holds, within=SETTLING), run)
