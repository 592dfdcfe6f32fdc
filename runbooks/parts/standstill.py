"""The fingerprint that ends a backup: of a standby held at one exact point, while the cluster goes on."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from infra.settings import Site, container
from runbooks.adapters import content, postgres, replay
from runbooks.adapters.replay import Held
from runbooks.core.command import Query, T
from runbooks.core.errors import CommandFailed, NotReady, NotVerified
from runbooks.core.evidence import Point
from runbooks.core.host import Host
from runbooks.core.leader import leader
from runbooks.core.perform import wait_until_holds
from runbooks.core.run import Check, Run, Step
from runbooks.parts import source
from runbooks.parts.fingerprint import reach, take
from runbooks.parts.repositories import chosen, cluster, everywhere, segments
from runbooks.parts.source import Source

SETTLING = 30.0  # seconds for a standby in sync to replay what is written
ATTEMPTS = 20  # Patroni may let replay go on in the middle of one, once a second


@dataclass(frozen=True)
class Still:
    """A standby as it was when it was held, whatever it replays meanwhile."""

    standby: Host
    held: Held

    def ask(self, question: Query[T]) -> T:
        """Ask it in the snapshot of the question's database."""
        if question.database not in self.held.snapshots:
            raise NotVerified(f"{self.standby.name}: the database {question.database} was made in the middle of it")
        return self.standby.ask(content.in_snapshot(question, self.held.snapshots[question.database]))


def take_fingerprint(run: Run) -> None:
    """Hold a standby behind the new backups, take its fingerprint, and keep it in both buckets.

    NotReady where no standby streams. NotVerified where it cannot be held.
    """
    standby, serving = _standby(run), leader(run.estate)
    end, timeline = serving.ask(replay.written())
    try:
        if run.planning:
            standby.do(replay.hold(run.id, run.settings.backup.fingerprint_seconds, {}))
            serving.do(replay.close_segment(_name(run)))
            return
        _await(lambda run: standby.ask(replay.reached(end)), run, f"{standby.name} has replayed the backup's end")
        found = _taken(run, standby, serving, timeline)
    finally:
        standby.do(replay.release(run.id))
    labels = {made["label"] for made in run.figures["repositories"].values()}
    everywhere(run, lambda site: _keep(run, site, labels, found))
    run.figures["fingerprint"] = {"rows": found.fingerprint.rows, "lsn": found.point.lsn}


def let_go(run: Run) -> None:
    """Release the standby of every site: a dead runner may have held either."""
    for site in run.settings.sites:
        with contextlib.suppress(CommandFailed):  # one that does not answer holds nothing once it is started again
            run.estate.member(site, "db").do(replay.release(run.id))


def _taken(run: Run, standby: Host, serving: Host, timeline: int) -> Source:
    """Return the fingerprint of the standby, and the point of the log that it is of."""
    within = run.settings.backup.fingerprint_seconds
    questions = {database: reach(standby, database) for database in standby.ask(content.databases())}
    for _ in range(ATTEMPTS):
        standby.do(replay.release(run.id))
        if held := standby.ask(replay.hold(run.id, within, {name: each.sql for name, each in questions.items()})):
            break
    else:
        raise NotVerified(f"{standby.name}: replay went on in the middle of each of {ATTEMPTS} snapshots")
    serving.do(replay.close_segment(_name(run)))
    sequences = {name: each.parse(held.rows[name]) for name, each in questions.items()}
    point = Point(scheme="standby", lsn=held.lsn, timeline=timeline, at=held.at)
    return Source(point=point, fingerprint=take(Still(standby, held), within, sequences=sequences))


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


def _standby(run: Run) -> Host:
    names = [member.name for member in cluster(run.estate).standbys]
    for site in run.settings.sites:
        if container(run.settings, site, "db") in names:
            return run.estate.member(site, "db")
    raise NotReady("no standby streams, so no fingerprint can be taken: ./inv status, then ./inv backup again")


def _await(holds: Check, run: Run, what: str) -> None:
    wait_until_holds(Step(what, lambda _: None, holds, within=SETTLING), run)
