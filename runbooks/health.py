"""What follows from what the members say of themselves: which of it is a problem, and one word for the whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from infra.settings import Place, Settings, Site, container, witness_roles
from runbooks.adapters.ceph import Room
from runbooks.adapters.docker import DATA, Container, Space
from runbooks.adapters.etcd import Endpoint
from runbooks.adapters.gate import Passage
from runbooks.adapters.patroni import Cluster
from runbooks.adapters.pgbackrest import Inventory
from runbooks.adapters.postgres import Archiver
from runbooks.core.gather import Silence
from runbooks.core.hint import whole
from runbooks.core.lease import Holder
from runbooks.parts.room import shortage

Answers = Mapping[tuple[str, str], Any]


@dataclass
class PlaceHealth:
    """One place as an operator reads it: a word a topic, "" where the topic is not the place's."""

    name: str
    city: str
    members: str = "unknown"
    etcd: str = "silent"
    database: str = ""  # of a site
    archive: str = ""
    payments: str = ""  # the way that they take, from the gateway to the leader
    store: str = ""
    room: str = ""  # of a store of our own
    backup: str = ""


@dataclass
class Health:
    """A stack. `known`: a database answered in time. `serving`: a leader takes writes.

    `holder` of the lease: None where `lease_known` and it is free.
    """

    stack: str
    places: list[PlaceHealth]
    known: bool = False
    serving: bool = False
    in_sync: bool = False
    lease_known: bool = False
    holder: Holder | None = None
    problems: list[str] = field(default_factory=list)

    @property
    def word(self) -> Literal["healthy", "degraded", "not serving", "not known"]:
        """The whole in one word."""
        if not self.serving:
            return "not serving" if self.known else "not known"
        return "degraded" if self.problems else "healthy"


def members(settings: Settings, place: Place) -> tuple[str, ...]:
    """Return the names of the containers that `place` is declared to have."""
    counts = dict.fromkeys(witness_roles(settings), 1) if place == settings.witness else {"etcd": 1}
    if isinstance(place, Site):
        counts |= dict.fromkeys(("db", "backup", "pooler", "route", "gateway"), 1)
        counts |= {"store": 0 if place.s3_endpoint else 1, "api": place.apis}
    return tuple(container(settings, place, role, n) for role, count in counts.items() for n in range(1, count + 1))


def judge(settings: Settings, answers: Answers, now: datetime | None = None) -> Health:
    """Judge `answers` by (topic, place): what an adapter parsed, or Silence."""
    health = Health(settings.stack, [PlaceHealth(place.name, place.city) for place in settings.places])
    for place, seen in zip(settings.places, health.places, strict=True):
        _members(health, seen, members(settings, place), answers["members", place.name])
        _etcd(health, seen, answers["etcd", place.name])
    _voters(health, settings, answers)
    for site, seen in zip(settings.sites, health.places, strict=False):
        _archive(health, seen, settings, answers["archiver", site.name])
        _disk(health, settings, site, answers["disk", site.name])
        _payments(health, seen, answers["gateway", site.name], answers["passage", site.name])
        _store(health, seen, answers["store", site.name])
        _room(health, seen, settings, site, answers.get(("room", site.name)))
        _backup(health, seen, settings, answers["backups", site.name], now or datetime.now(UTC))
    _cluster(health, settings, answers)
    holder = answers["lease", ""]
    if not isinstance(holder, Silence):
        health.lease_known, health.holder = True, holder
    health.problems = [whole(problem, settings.stack) for problem in health.problems]
    return health


def _members(health: Health, seen: PlaceHealth, names: tuple[str, ...], answer: dict[str, Container] | Silence) -> None:
    if isinstance(answer, Silence):
        health.problems.append(f"{seen.name}: the engine does not answer: {_reason(answer)}")
        return
    running = [name for name in names if name in answer and answer[name].running]
    seen.members = f"{len(running)} of {len(names)} run"
    for name in names:
        if name not in running:
            health.problems.append(f"{name} does not run ({answer[name].status if name in answer else 'not there'})")
        elif answer[name].health == "unhealthy":
            health.problems.append(f"{name} is unhealthy")


def _reason(silence: Silence) -> str:
    """Return the last line, which is the program's own; above it stands which command it was."""
    return silence.why.splitlines()[-1].strip()


def _etcd(health: Health, seen: PlaceHealth, answer: Endpoint | Silence) -> None:
    if isinstance(answer, Silence):
        health.problems.append(f"{seen.name}: etcd is silent")
        return
    seen.etcd = "leads" if answer.leads else "follows" if answer.has_leader else "no leader"
    if not answer.has_leader:
        health.problems.append(f"{seen.name}: etcd knows no leader, so it has no quorum")


def _voters(health: Health, settings: Settings, answers: Answers) -> None:
    """Tell who has no vote, by the word of one that has a quorum; after a failover by hand one site has the only one.

    Where none has, tell how it is got back.
    """
    told = [answers["etcd", place.name] for place in settings.places]
    answering = [each for each in told if isinstance(each, Endpoint)]
    deciding = next((each for each in answering if each.has_leader and each.voters), None)
    names = {place.name: container(settings, place, "etcd") for place in settings.places}
    if deciding:
        for place, name in names.items():
            if name not in deciding.voters:
                alone = ", and the one that has is alone" if len(deciding.voters) == 1 else ""
                health.problems.append(f"{place}: its etcd has no vote{alone}: ./inv rejoin {place}")
    elif answering and not any(each.has_leader for each in answering):
        health.problems.append(
            "etcd has no quorum: ./inv up starts what is stopped; where two places are gone, ./inv failover --to a site"
        )


def _archive(health: Health, seen: PlaceHealth, settings: Settings, answer: Archiver | Silence) -> None:
    if isinstance(answer, Silence):
        seen.archive = "unknown"
        return
    seen.archive = f"{answer.waiting} waiting, {answer.lag_seconds:.0f} s behind"
    if answer.lag_seconds > settings.backup.archive_lag_seconds:
        health.problems.append(f"{seen.name}: archiving is {answer.lag_seconds:.0f} s behind")


def _disk(health: Health, settings: Settings, site: Site, answer: Space | Silence) -> None:
    """Tell of a full disk before PostgreSQL can write no more; a silent database is told of elsewhere."""
    if not isinstance(answer, Silence) and answer.free < settings.backup.free_bytes:
        name = container(settings, site, "db")
        health.problems.append(
            f"{name}: {answer.free >> 20} MiB free of {answer.size >> 20} in {DATA}: find what fills it, or enlarge "
            "the volume"
        )


def _payments(health: Health, seen: PlaceHealth, gateway: object, passage: Passage | Silence) -> None:
    if isinstance(gateway, Silence):
        health.problems.append(f"{seen.name}: its gateway leads to no service that is ready: {_reason(gateway)}")
    if isinstance(passage, Silence):
        pooler = "is silent"
        health.problems.append(f"{seen.name}: the pooler does not answer: {_reason(passage)}")
    elif passage.dated:
        pooler = "is of an older image"
        health.problems.append(
            f"{seen.name}: the pooler's image is from before switchover: let its pin (separuh:images, else "
            f".separuh/{health.stack}/images.yaml) name a newer one, then ./inv up"
        )
    elif passage.paused:
        pooler = "holds payments"
        health.problems.append(f"{seen.name}: the pooler is paused, by {passage.gate.run or 'nobody that is known'}")
    else:
        pooler = "is open"
        if passage.trouble:
            health.problems.append(f"{seen.name}: the route leads to no leader: {passage.trouble}")
    if isinstance(passage, Silence) or passage.dated:
        route = "unknown"
    else:
        route = "leads nowhere" if passage.trouble else "leads to the leader"
    seen.payments = (
        f"gateway {'is silent' if isinstance(gateway, Silence) else 'answers'}, pooler {pooler}, route {route}"
    )


def _store(health: Health, seen: PlaceHealth, answer: object) -> None:
    seen.store = "silent" if isinstance(answer, Silence) else "answers"
    if isinstance(answer, Silence):
        health.problems.append(f"{seen.name}: the store does not answer: {_reason(answer)}")


def _room(health: Health, seen: PlaceHealth, settings: Settings, site: Site, answer: Room | Silence | None) -> None:
    """Tell of a store that is nearly full before its writers wait; a silent store is told of above."""
    if isinstance(answer, Room):
        seen.room = f"{answer.free / 2**30:.1f} GiB left of {answer.size / 2**30:.1f}"
        if short := shortage(settings, site, answer):
            health.problems.append(short)
    elif answer is not None and seen.store != "silent":
        seen.room = "unknown"
        health.problems.append(f"{seen.name}: the store does not say how full it is: {_reason(answer)}")


def _backup(health: Health, seen: PlaceHealth, settings: Settings, answer: Inventory | Silence, now: datetime) -> None:
    if isinstance(answer, Silence):
        seen.backup = "unknown"
        health.problems.append(f"{seen.name}: its backups cannot be listed")
        return
    repository = settings.repository(settings.site(seen.name))
    if repository in answer.faults:
        seen.backup = "unknown"
        fault = answer.faults[repository].splitlines()[0]
        health.problems.append(f"{seen.name}: its repository cannot be read: {fault}")
        return
    backups = answer.of(repository)
    if not backups:
        seen.backup = "none yet"
        health.problems.append(f"{seen.name}: no backup yet: ./inv backup")
        return
    hours = (now - backups[-1].ended_at).total_seconds() / 3600
    seen.backup = f"{backups[-1].kind}, {hours:.1f} h ago"
    if hours > settings.backup.age_limit_hours:
        health.problems.append(f"{seen.name}: the last backup is {hours:.0f} h old: ./inv backup")


def _cluster(health: Health, settings: Settings, answers: Answers) -> None:
    """Take the first site's word for all members; each asks the same quorum.

    It names a lost leader until the leader's lease is over, so that the stack serves is PostgreSQL's own to say.
    """
    told = [answers["cluster", site.name] for site in settings.sites]
    cluster: Cluster | None = next((each for each in told if not isinstance(each, Silence)), None)
    if cluster is None:
        health.problems.append("no database says how the cluster stands")
        for seen in health.places[: len(settings.sites)]:
            seen.database = "silent"
        return
    health.known = True
    if cluster.paused:
        health.problems.append("Patroni is paused: nobody takes over from a leader that is lost")
    known = {member.name: member for member in cluster.members}
    for site, seen in zip(settings.sites, health.places, strict=False):
        member = known.get(container(settings, site, "db"))
        lag = f", {member.lag_bytes} bytes behind" if member and member.lag_bytes else ""
        on = f", timeline {member.timeline}" if member and member.timeline else ""
        seen.database = f"{member.role}, {member.state}{on}{lag}" if member else "not a member"
    archivers = {site.name: answers["archiver", site.name] for site in settings.sites}
    leading = [name for name, each in archivers.items() if isinstance(each, Archiver) and each.leads]
    health.serving = bool(leading)
    if len(leading) > 1:
        health.problems.append(
            f"the databases of {' and '.join(leading)} both take writes: that must not be. After a failover by hand: "
            "./inv rejoin, of the one that was left behind"
        )
    if not health.serving:
        named = ", ".join(member.name for member in cluster.members if member.role == "leader")
        health.problems.append(f"no database says that it takes writes; Patroni names {named or 'no leader'}")
    health.in_sync = health.serving and cluster.in_sync
    if not health.in_sync:
        health.problems.append("not in sync: losing the leader's site now would lose acknowledged payments")
