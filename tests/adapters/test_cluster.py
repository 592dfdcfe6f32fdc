"""Patroni, etcd and Docker: commands by equality, answers as the real ones gave them."""

from __future__ import annotations

import pytest

from runbooks.adapters import docker, etcd, patroni
from runbooks.core.errors import NotReady
from tests.adapters.recorded import recorded


def test_patroni_is_asked_over_tls() -> None:
    """From inside the container, with the stack's own authority."""
    url = ("--cacert", "/config/ca.crt", "https://localhost:8008/cluster")
    assert patroni.cluster().argv == ("curl", "-sS", "--fail", "--max-time", "5", *url)


def test_cluster_in_sync() -> None:
    """Leader, standby in sync, and its lag."""
    seen = patroni.cluster().parse(recorded("patroni-4.0.7-cluster.json"))
    assert seen.leader.name == "est-jkt-db-1"
    assert [(m.name, m.lag_bytes, m.timeline) for m in seen.standbys] == [("est-sby-db-1", 0, 1)]
    assert seen.in_sync


def test_patronictl_says_the_same() -> None:
    """Its words for the roles are others."""
    seen = patroni.listing().parse(recorded("patroni-4.0.7-list.json"))
    assert seen.leader.name == "bk-a"
    assert seen.in_sync
    assert seen.standbys[0].role == "sync_standby"


def test_no_leader_is_said() -> None:
    """A cluster in an election has none."""
    members = '{"members": [{"name": "a", "role": "replica", "state": "starting"}]}'
    seen = patroni.cluster().parse(members)
    assert seen.standbys == ()
    with pytest.raises(NotReady, match="no member leads"):
        _ = seen.leader


def test_etcd_endpoint() -> None:
    """A follower that knows its leader."""
    said = etcd.status().parse(recorded("etcdctl-3.5.16-endpoint-status.json"))
    assert (said.has_leader, said.leads, said.term) == (True, False, 2)
    assert "--endpoints=https://etcd-1.jkt:2379" in etcd.status("https://etcd-1.jkt:2379").argv


def test_containers_by_name() -> None:
    """One that does not exist is absent from the answer."""
    found = docker.state("est-jkt-db-1", "est-nope").parse(recorded("docker-20.10.24-inspect.json"))
    assert set(found) == {"est-jkt-db-1"}
    assert found["est-jkt-db-1"].running
    assert found["est-jkt-db-1"].health == "healthy"
    assert docker.state("a").argv == ("docker", "container", "inspect", "a")


def test_free_space() -> None:
    """In bytes."""
    assert docker.free("/data").argv == ("df", "-B1", "--output=size,avail", "/data")
    assert docker.free("/data").parse(recorded("coreutils-9.7-df.txt")) == docker.Space(
        size=270553174016, free=68615618560
    )


def test_what_members_share_is_set_by_stdin_with_a_certificate() -> None:
    """Patroni merges it into what there is, and lets nobody do so without a certificate."""
    command = patroni.share({"ttl": 30})
    assert command.argv[-5:] == ("--request", "PATCH", "--data", "@-", "https://localhost:8008/config")
    assert command.argv[7:11] == ("--cert", "/config/tls.crt", "--key", "/config/tls.key")
    assert command.stdin == '{"ttl": 30}'
