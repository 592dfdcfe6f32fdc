"""`staging` on three hosts of its own: in sync over published ports, paid into, backed up, restarted, frozen.

The drills follow one another, since the hosts take minutes to get their images: by `./inv test --all`.
"""

from __future__ import annotations

import ssl
import subprocess
import time
from collections.abc import Iterator

import pytest

from infra.settings import ACROSS_PLACES, Place, Site, published
from runbooks import hosts
from runbooks.core.command import Query
from runbooks.core.errors import CommandFailed, Exit, NotReady
from runbooks.health import members
from runbooks.parts.repositories import cluster, inventory
from runbooks.pay import audited, customers
from tests.drills.customer import pays
from tests.drills.mistakes import damaged, mistaken
from tests.drills.rehearsal import NAME, Rehearsal, verified
from tests.drills.stack import docker, until

pytestmark = [pytest.mark.drill, pytest.mark.full]

NOTHING = "nothing to change"
FIRST_UP, AGAIN = 580, 300  # seconds; each site's host gets two gigabytes of images first
STATUS_SECONDS = 3.0  # for the whole command
RATE, AT_MOST = 50, 120  # payments a second, and seconds of them there must be instalments for
SESSION = "SELECT client_addr, ssl, version FROM pg_stat_replication JOIN pg_stat_ssl USING (pid)"
UPSTREAM = "SELECT conninfo FROM pg_stat_wal_receiver"


@pytest.fixture(scope="module")
def staging(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    """The stack up on its hosts; afterwards nothing of either is left on this machine's engine."""
    rehearsal = Rehearsal(tmp_path_factory.mktemp("staging") / "clone")
    try:
        rehearsal.stack.inv("hosts.up")
        rehearsal.stack.inv("up", within=FIRST_UP)
        rehearsal.stack.inv("seed", "--loans", "2000", within=AGAIN)
        yield rehearsal
    finally:
        rehearsal.stack.close()
        rehearsal.stack.inv("hosts.down")
        listings = (("ps", "--all"), ("volume", "ls"), ("network", "ls"))
        left = [docker(*listing, "--quiet", "--filter", f"label={hosts.LABEL}={NAME}") for listing in listings]
        assert not any(left)


def leading_and_following(staging: Rehearsal) -> tuple[Site, Site]:
    """Return the leader's site, and the other."""
    leader = cluster(staging.stack.estate).leader.name
    one, two = staging.settings.sites
    return (one, two) if leader == staging.stack.container(one.name, "db") else (two, one)


def in_sync(staging: Rehearsal) -> bool:
    """Say whether a standby holds every acknowledged payment."""
    try:
        return cluster(staging.stack.estate).in_sync
    except (CommandFailed, NotReady):
        return False


def settled(staging: Rehearsal) -> None:
    """Wait until the sites are in sync and each takes payments."""
    until(lambda: in_sync(staging), 120, "in sync again")
    for site in staging.settings.sites:
        until(lambda site=site: pays(staging.settings, site.name), 60, f"payments at {site.name}")  # type: ignore[misc]


def status(staging: Rehearsal, code: Exit) -> str:
    """Return what `status` says, which it must have said in time."""
    began = time.monotonic()
    told = staging.stack.inv("status", code=code)
    seconds = time.monotonic() - began
    assert seconds < STATUS_SECONDS, f"{seconds:.1f} s:\n{told}"
    return told


def test_the_sites_are_in_sync_over_their_published_ports(staging: Rehearsal) -> None:
    leading, following = leading_and_following(staging)
    assert in_sync(staging)
    estate = staging.stack.estate
    session = estate.member(leading, "db").ask(Query(sql=SESSION, parse=lambda rows: rows))
    assert session == [(following.publish.address, "t", "TLSv1.3")]
    upstream = estate.member(following, "db").ask(Query(sql=UPSTREAM, parse=lambda rows: str(rows[0][0])))
    for part in (f"host={leading.publish.address}", "sslmode=verify-full", "sslrootcert=/config/ca.crt"):
        assert part in upstream


@pytest.mark.parametrize("role", ACROSS_PLACES)
def test_each_published_port_is_verified_in_full(staging: Rehearsal, role: str) -> None:
    secrets, settings = staging.secrets, staging.settings
    for place in settings.places if role.startswith("etcd") else settings.sites:
        at = (place.publish.address, published(place, role))
        assert verified(secrets, *at, name=place.publish.address, postgresql=role == "db") == "TLSv1.3"
        with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
            verified(secrets, *at, name="198.18.9.99", postgresql=role == "db")


def test_customers_of_both_sites_pay(staging: Rehearsal) -> None:
    for site in staging.settings.sites:
        assert pays(staging.settings, site.name)


def test_a_backup_reaches_both_stores_and_all_is_healthy(staging: Rehearsal) -> None:
    staging.stack.inv("backup", within=AGAIN)
    for site in staging.settings.sites:
        assert len(inventory(staging.stack.estate, [site]).backups) == 1
    assert "healthy" in status(staging, Exit.DONE)


def test_the_leader_moves_there_and_back_while_customers_pay(staging: Rehearsal) -> None:
    """Over ssh and published ports; no payment fails or is lost."""
    here, there = leading_and_following(staging)
    with customers(staging.stack.estate, RATE, AT_MOST) as probe:
        for way in (("--to", there.name), ("--back",)):
            staging.stack.inv("switchover", *way, "--yes", within=AGAIN)
            assert staging.stack.last_record()["reasons"] == []
        figures = probe.stop()
        audit = audited(staging.stack.estate, probe)
    assert leading_and_following(staging)[0] == here
    assert audit.holds
    assert figures.failed_requests == 0, figures.gateways
    settled(staging)


def test_a_game_day_is_survived(staging: Rehearsal) -> None:
    """The leader's site is killed on its own host; the other takes over, and it comes back, with nothing lost."""
    _, there = leading_and_following(staging)
    ends = (Exit.DONE, Exit.DEGRADED)  # degraded: a machine too busy for the target
    staging.stack.inv("drill.failover", "--kind", "site", "--yes", code=ends, within=AGAIN)
    figures = staging.stack.last_record()["figures"]
    assert figures["acknowledged"] > 0
    assert (figures["lost_payments"], figures["second_leader_writes"]) == (0, 0)
    assert leading_and_following(staging)[0] == there
    settled(staging)


def test_the_site_that_is_left_leads_and_the_lost_hosts_rejoin(staging: Rehearsal) -> None:
    """The leader's host and the witness's die; the operator decides; both are back as they were, with nothing lost."""
    stack, witness = staging.stack, staging.settings.witness
    lost, left = leading_and_following(staging)
    with customers(stack.estate, RATE, AT_MOST) as probe:
        time.sleep(2)  # of payments before
        docker("kill", staging.host(lost), staging.host(witness))
        options = ("--to", left.name, "--fenced", witness.name, "--confirm", NAME)
        stack.inv("failover", *options, code=Exit.DEGRADED, within=AGAIN)
        assert stack.last_record()["figures"]["may_be_lost"] is False
        until(lambda: pays(staging.settings, left.name), 60, f"payments at {left.name}")
        docker("start", staging.host(lost), staging.host(witness))
        until(lambda: answers(staging, lost) and answers(staging, witness), 60, "both engines answer")
        probe.stop()
        assert audited(stack.estate, probe).holds
    said = stack.inv("rejoin", lost.name, code=Exit.DEGRADED, within=AGAIN)
    assert f"./inv rejoin --stack {NAME} {witness.name}" in said
    stack.inv("rejoin", witness.name, within=AGAIN)
    settled(staging)
    assert leading_and_following(staging)[0] == left


def answers(staging: Rehearsal, place: Place) -> bool:
    """Say whether a host's engine answers."""
    try:
        return bool(staging.on(place, "docker", "ps", "--quiet"))
    except subprocess.CalledProcessError:
        return False


def test_a_wrong_update_is_undone(staging: Rehearsal) -> None:
    """Over ssh and published ports, from this site's store; all that was acknowledged before it is there."""
    stack = staging.stack
    payer, wrong = mistaken(stack, staging.settings.sites[0].name)
    stack.inv("restore", "--xid", str(wrong["xid"]), "--confirm", NAME, within=AGAIN)
    assert damaged(stack) == 0
    assert payer.audit(payer.acknowledged()).holds
    settled(staging)


def test_a_wrong_update_is_undone_while_the_other_host_is_cut_off(staging: Rehearsal) -> None:
    """The leader's site alone, from its own store; the other comes back by `rejoin` when the line is back."""
    stack = staging.stack
    here, there = leading_and_following(staging)
    payer, wrong = mistaken(stack, here.name)
    with staging.cut_off(there):
        options = ("--lsn", wrong["lsn"], "--site", here.name, "--confirm", NAME)
        told = stack.inv("restore", *options, code=Exit.DEGRADED, within=AGAIN)
        assert there.name in told
        assert damaged(stack) == 0
        assert payer.audit(payer.acknowledged()).holds
        until(lambda: pays(staging.settings, here.name), 60, f"payments at {here.name}")
    stack.inv("rejoin", there.name, within=AGAIN)
    assert stack.last_record()["figures"]["rejoined_by"] == "rewind"
    settled(staging)
    assert damaged(stack) == 0


def test_after_a_restart_of_an_engine_and_of_a_host_all_comes_back_and_up_changes_nothing(staging: Rehearsal) -> None:
    one, two = staging.settings.sites
    expected = {name for site in (one, two) for name in members(staging.settings, site)}
    before = staging.started()

    def back() -> bool:
        try:
            return {name for name, when in staging.started().items() if when != before[name]} == expected
        except subprocess.CalledProcessError:
            return False

    staging.on(one, "sh", "-c", "kill $(cat /run/docker.pid)")
    docker("restart", "-t", "0", staging.host(two))
    until(back, 60, "each container of both sites was started again")
    until(lambda: in_sync(staging), 120, "in sync after the restarts")
    after = staging.started()
    assert NOTHING in staging.stack.inv("up", within=AGAIN)
    assert staging.started() == after
    settled(staging)


def test_status_answers_while_a_host_is_cut_off(staging: Rehearsal) -> None:
    _, there = leading_and_following(staging)
    with staging.cut_off(there):
        for _ in range(3):
            assert f"{there.name}: the engine does not answer" in status(staging, Exit.DEGRADED)
    settled(staging)


def test_status_answers_and_up_mends_the_other_site_while_a_host_is_frozen(staging: Rehearsal) -> None:
    here, there = leading_and_following(staging)
    removed = staging.stack.container(here.name, "gateway")
    with staging.frozen(there):
        staging.on(here, "docker", "rm", "--force", removed)
        told = staging.stack.inv("up", "--site", here.name, within=AGAIN)
        assert f"create {removed}" in told
        until(lambda: pays(staging.settings, here.name), 60, f"payments at {here.name}")
        for _ in range(3):
            assert f"{there.name}: the engine does not answer" in status(staging, Exit.DEGRADED)
    settled(staging)
    assert NOTHING in staging.stack.inv("up", within=AGAIN)
