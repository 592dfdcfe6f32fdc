"""etcd without its quorum: what is read, and what is done to a voter from its engine's machine."""

from __future__ import annotations

import base64
import json

from runbooks.adapters import etcd, patroni, positions, reformed
from runbooks.adapters.positions import Position
from runbooks.adapters.reformed import LastKnown

PEERS = {"lab-sby-etcd-1": "https://etcd-1.sby.link:2380", "lab-jkt-etcd-1": "https://etcd-1.jkt.link:2380"}


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _answer(**keys: str) -> str:
    kvs = [{"key": _encoded(f"/service/credit/{key}"), "value": _encoded(value)} for key, value in keys.items()]
    return json.dumps({"header": {}, "kvs": kvs, "count": len(kvs)})


def test_a_voter_is_asked_without_the_others() -> None:
    """Serializable: it answers from what it has."""
    command = reformed.last_known("credit")
    assert command.argv[-5:] == ("get", "/service/credit/", "--prefix", "--consistency=s", "--write-out=json")
    said = _answer(
        leader="lab-jkt-db-1",
        sync='{"leader":"lab-jkt-db-1","quorum":0,"sync_standby":"lab-sby-db-1"}',
        status='{"optime":74374296,"slots":{"lab_sby_db_1":74374296}}',
        config='{"ttl":20,"pause":true}',
    )
    assert command.parse(said) == LastKnown(
        leader="lab-jkt-db-1",
        sync_leader="lab-jkt-db-1",
        synchronous=("lab-sby-db-1",),
        position=74374296,
        paused=True,
    )


def test_a_voter_that_knows_nothing() -> None:
    assert reformed.last_known("credit").parse('{"header":{}}') == LastKnown()
    assert reformed.last_known("credit").parse(_answer(sync='{"leader":"a","sync_standby":null}')).synchronous == ()
    assert reformed.head("lab").parse("\n") == ""


def test_a_vote_is_set_aside_and_its_owner_told_to_join() -> None:
    """The script goes by stdin; its arguments are the run, a token and the peers."""
    command = reformed.bar("lab-jkt-etcd-1", "r1", "lab-r1", PEERS)
    listed = ",".join(f"{name}={url}" for name, url in PEERS.items())
    assert command.argv == ("sh", "-eus", "set-its-vote-aside", "lab-jkt-etcd-1", "r1", "lab-r1", listed)
    assert command.stdin
    assert "initial-cluster-state: existing" in command.stdin


def test_the_cluster_of_one_is_made_in_a_copy_and_forgets() -> None:
    command = reformed.part("lab-sby-etcd-1", "r1", "https://etcd-1.sby.link:2379", ("/separuh/lab/head",))
    assert command.argv[2:] == (
        *("make-a-cluster-of-one", "lab-sby-etcd-1", "r1", "https://etcd-1.sby.link:2379", "/separuh/lab/head"),
    )
    assert "--force-new-cluster" in (command.stdin or "")
    assert reformed.unpart("lab-sby-etcd-1").argv[2:] == ("throw-that-cluster-away", "lab-sby-etcd-1")


def test_a_voter_says_who_votes() -> None:
    """Its own word, in the second line; the first is its state."""
    status = {"header": {"member_id": 1}, "leader": 1, "raftTerm": 2, "dbSize": 20480}
    first = json.dumps([{"Endpoint": "localhost", "Status": status}])
    members = json.dumps({"members": [{"name": "lab-sby-etcd-1"}, {"ID": "9"}]})
    assert etcd.status().parse(f"{first}\n{members}\n").voters == ("", "lab-sby-etcd-1")
    assert etcd.status().parse(f"{first}\n").voters == ()


def test_a_standby_and_a_leader_say_how_far_they_are() -> None:
    row = ("t", "0/46EDCD0", "0/46EDCD0", "2026-11-24T16:57:22.055096+00:00")
    seen = positions.ask_position().parse([row])
    assert seen == Position(
        standby=True, holds="0/46EDCD0", replayed="0/46EDCD0", last_commit="2026-11-24T16:57:22.055096+00:00"
    )
    assert seen.bytes == 0x46EDCD0
    assert positions.ask_position().parse([("f", None, None, None)]).bytes == 0


def test_patroni_is_told_whom_alone() -> None:
    """With the leader named it would be a switchover, which wants one."""
    assert patroni.failover("lab-sby-db-1").stdin == '{"candidate": "lab-sby-db-1"}'
