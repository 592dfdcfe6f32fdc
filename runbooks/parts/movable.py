"""Whether the leader may be moved now: everything that must be well is asked at once, and all that is not is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from infra.cluster import BEHIND_AT_MOST
from infra.settings import Place, Site, address, container
from runbooks.adapters import etcd, gate, patroni, postgres, service, sessions
from runbooks.core.errors import CommandFailed, NotReady, NotVerified
from runbooks.core.gather import Silence, gather
from runbooks.core.perform import wait_until_holds
from runbooks.core.run import Run, Step
from runbooks.parts.readiness import has_room
from runbooks.parts.repositories import cluster

WITHIN = 20.0  # seconds for all answers
CATCHING_UP = 3.0  # seconds for a standby to be seen close behind: what came right now is not replayed yet


def source(run: Run) -> Site:
    """Return the site that leads when the run begins."""
    return run.settings.site(run.recall("source"))


def target(run: Run) -> Site:
    """Return the site that is to lead."""
    return run.settings.site(run.recall("target") or run.arguments["to"])


def another_site_leads(run: Run) -> None:
    """Find out who leads now; NotReady where it is the target already, or nobody does."""
    wanted, leading = target(run), cluster(run.estate).leader.name
    if leading == container(run.settings, wanted, "db"):
        raise NotReady(f"{wanted.name} leads already: there is nothing to move")
    names = {container(run.settings, site, "db"): site.name for site in run.settings.sites}
    run.remember("source", names[leading])


def all_is_well(run: Run) -> None:
    """Ask every part that a move needs; NotReady names each that is not well."""
    if troubles := not_well(run):
        raise NotReady("\n".join(("the leader is not moved now; nothing was changed:", *troubles)))


def not_well(run: Run) -> list[str]:
    """Ask every part that a move needs, at once; return what is not well, each with what to do."""
    answers = gather(dict(_questions(run)), WITHIN)
    return [answer.why for answer in answers.values() if isinstance(answer, Silence)]


def _questions(run: Run) -> Iterator[tuple[str, Callable[[], None]]]:
    yield "cluster", partial(_cluster_is_whole, run)
    yield "transactions", partial(_leader_can_come_to_rest, run)
    yield "replay", partial(_standby_is_close, run)
    yield "disk", partial(has_room, run, run.estate.member(target(run), "db"))
    for place in run.settings.places:
        yield f"etcd {place.name}", partial(voter_answers, run, place)
    for site in run.settings.sites:
        yield f"passage {site.name}", partial(passage_is_open, run, site)
        yield f"gateway {site.name}", partial(gateway_answers, run, site)
        yield f"archive {site.name}", partial(_archive_is_close, run, site)


def _cluster_is_whole(run: Run) -> None:
    seen, name = cluster(run.estate), container(run.settings, target(run), "db")
    if seen.paused:
        raise NotReady(
            "Patroni is paused, and leaves everything as it is. On its engine: "
            f"docker exec {name} patronictl -c {patroni.CONFIG} resume"
        )
    for member in seen.members:
        if not member.healthy:
            raise NotReady(f"{member.name} is {member.state}: ./inv status")
        if member.name == name:
            _may_lead(member)
    if name not in (member.name for member in seen.members):
        raise NotReady(f"{name} is no member of the cluster: ./inv status, then ./inv up")


def _may_lead(member: patroni.Member) -> None:
    if member.role != patroni.SYNCHRONOUS:
        raise NotReady(
            f"{member.name} is a {member.role}, not in sync with the leader: it may lack acknowledged payments"
        )
    if member.lag_bytes is None or member.lag_bytes > BEHIND_AT_MOST:
        raise NotReady(
            f"{member.name} lacks {member.lag_bytes} bytes of the log; with more than {BEHIND_AT_MOST} none leads"
        )


def _leader_can_come_to_rest(run: Run) -> None:
    """Whoever is in a transaction for long keeps every payment waiting while they are being held."""
    limits, leader = run.settings.switchover, run.estate.member(source(run), "db")
    found = []
    for session in leader.ask(sessions.open_transactions()):
        if (session.idle_seconds or 0) > limits.idle_in_transaction_seconds:
            found.append(f"{session} is idle in its transaction for {session.idle_seconds:.0f} s")
        elif session.seconds > limits.transaction_seconds:
            found.append(f"{session} has been in a transaction for {session.seconds:.0f} s")
    if found:
        raise NotReady(
            "\n".join(found) + f"\nlet it end, or end it on {leader.name} (pg_terminate_backend); the limits are "
            "separuh:switchover.transaction_seconds and idle_in_transaction_seconds"
        )


def _standby_is_close(run: Run) -> None:
    standby, limit = run.estate.member(target(run), "db"), run.settings.switchover.replay_lag_seconds

    def close(run: Run) -> None:
        lag = standby.ask(postgres.recovery()).replay_lag_seconds
        if lag > limit:
            raise NotVerified(
                f"{standby.name} replays {lag:.0f} s behind, more than separuh:switchover.replay_lag_seconds"
            )

    try:
        wait_until_holds(Step("the standby is close behind", lambda _: None, close, within=CATCHING_UP), run)
    except NotVerified as failure:
        raise NotReady(str(failure)) from failure


def _archive_is_close(run: Run, site: Site) -> None:
    """A leader that stops archives what it has not yet, and does not come back as a standby before."""
    member, limit = run.estate.member(site, "db"), run.settings.backup.archive_lag_seconds
    lag = member.ask(postgres.archiver()).lag_seconds
    if lag > limit:
        raise NotReady(
            f"{member.name} archives {lag:.0f} s behind, more than the {limit} of separuh:backup.archive_lag_seconds. "
            "Does its store answer (./inv status)?"
        )


def voter_answers(run: Run, place: Place) -> None:
    """Raise NotReady where a place's etcd knows no leader."""
    member = run.estate.member(place, "etcd")
    if not member.ask(etcd.status()).has_leader:
        raise NotReady(f"{member.name} knows no leader of etcd: it has no quorum")


def passage_is_open(run: Run, site: Site) -> None:
    """Raise NotReady where a site's pooler lets nobody through to the leader."""
    pooler, route = (run.estate.member(site, role) for role in ("pooler", "route"))
    seen = pooler.ask(gate.look())
    if seen.dated:
        raise NotReady(f"{pooler.name} runs an image without a gate: let its pin name a newer one, then ./inv up")
    if seen.trouble:
        raise NotReady(f"{route.name} leads to no leader, asked from {pooler.name}: {seen.trouble}")
    if seen.paused:
        raise NotReady(
            f"{pooler.name} is paused, so {site.name} pays nothing. Whoever did it has gone. On its engine: "
            f"docker exec {pooler.name} gate resume"
        )


def gateway_answers(run: Run, site: Site) -> None:
    """Raise NotReady where a site's gateway leads to no service that is ready.

    Asked by a service of the site, as nothing of a gateway need be published to this machine.
    """
    at = address(run.settings, site, site, "gateway")
    asked = run.estate.member(site, "api")
    try:
        asked.ask(service.ready(f"http://{at}"))
    except CommandFailed as failure:
        name = container(run.settings, site, "gateway")
        raise NotReady(
            f"{name} does not lead to a service that is ready, asked from {asked.name}:\n{failure}"
        ) from failure
