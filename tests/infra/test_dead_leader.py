"""When the detector acts: on one combination of what can be seen, and on no other."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from dead_leader import asking, etcd
from dead_leader.verdict import GAP, LOOKS, NOT_STREAMING, Dead, Look, Standby, View, in_a_row, judge

SILENCE = 3.0
STEP = 1.0  # seconds between two looks
ROW = 5  # looks: the leader is silent for four seconds between the first and the last
TTL = 20.0

VIEW = View(
    leader="one",
    lease="7",
    granted=TTL,
    left=TTL - 1,
    synced_leader="one",
    synced=frozenset({"two"}),
    sync='{"leader":"one","sync_standby":"two"}',
    revisions=(("leader", 5), ("sync", 6), ("status", 9), ("config", 2), ("failover", 0), ("members/one", 8)),
    loop_wait=1.0,
    ready=True,
)
FIT = Standby(name="two", healthy=True, synchronous=True, streams=False)


def seen(n: int, **changed: Any) -> Look:
    """The look number `n` at a leader that died right after it had renewed its lease."""
    began = n * STEP
    view = replace(VIEW, left=TTL - 1 - int(began))
    usual = {"began": began, "ended": began + 0.9, "view": view, "leader_answers": False, "standby": FIT}
    return Look(**{**usual, **changed})


def dying() -> list[Look]:
    return [seen(n) for n in range(ROW)]


def verdict(looks: list[Look], later: float = 0.0) -> Dead | str:
    return judge(looks, looks[-1].ended + later, SILENCE) if looks else judge(looks, 0, SILENCE)


def test_a_dead_leader_is_found_dead() -> None:
    assert verdict(dying()) == Dead(replace(VIEW, left=TTL - 1 - 4), "two")


@pytest.mark.parametrize("looks", range(ROW))
def test_fewer_looks_or_a_shorter_silence_are_not_enough(looks: int) -> None:
    assert isinstance(verdict(dying()[:looks]), str)


# What would make one look say that the leader lives, or its standby must not take over; in how many looks it counts.
VIEWS: dict[str, tuple[dict[str, Any], int]] = {
    "another lease": ({"lease": "8"}, ROW),
    "another leader": ({"leader": "two"}, ROW),
    "in sync with another": ({"synced_leader": "two"}, 1),
    "nobody in sync": ({"synced": frozenset()}, 1),
    "another in sync": ({"synced": frozenset({"three"})}, 1),
    "paused, moving or asynchronous": ({"ready": False}, 1),
    "renewed a second ago": ({"left": TTL - 2}, 1),
    "renewed, at the least, three seconds ago": ({"left": TTL - 4}, 1),
    "nobody leads": ({"leader": "", "lease": "0", "granted": 0.0, "left": 0.0}, ROW),
    **{
        f"{name} written": ({"revisions": tuple((key, rev + (key == name)) for key, rev in VIEW.revisions)}, ROW - 1)
        for name, _ in VIEW.revisions
    },
}
LOOKED: dict[str, tuple[dict[str, Any], int]] = {
    "an answer": ({"leader_answers": True}, ROW),
    "no majority": ({"view": None}, ROW),
    "a standby that streams": ({"standby": replace(FIT, streams=True)}, NOT_STREAMING),
    "a standby that is not well": ({"standby": replace(FIT, healthy=False)}, NOT_STREAMING),
    "a standby that says it is not in sync": ({"standby": replace(FIT, synchronous=False)}, NOT_STREAMING),
    "a silent standby": ({"standby": None}, NOT_STREAMING),
    "another standby": ({"standby": replace(FIT, name="three")}, NOT_STREAMING),
    "a look that lasted": ({"ended": 4 * STEP + GAP + 0.1}, ROW),
}


def altered(what: str, n: int) -> Look:
    """The look number `n`, with what would forbid to act."""
    look = seen(n)
    if what in LOOKED:
        return replace(look, **LOOKED[what][0])
    assert look.view
    return replace(look, view=replace(look.view, **VIEWS[what][0]))


@pytest.mark.parametrize("what", [*VIEWS, *LOOKED])
def test_one_look_that_speaks_against_it_is_enough(what: str) -> None:
    """In the last look always; in earlier ones where it would have begun the row anew, or is asked of two looks."""
    counts = {**VIEWS, **LOOKED}[what][1]
    for n in range(ROW - counts, ROW):
        looks = [altered(what, n) if n == each else seen(each) for each in range(ROW)]
        if n < ROW - 1 and ROW - 1 - n >= LOOKS and (ROW - 2 - n) * STEP >= SILENCE:
            continue  # what follows is a row of its own, long enough
        assert isinstance(verdict(looks), str), f"look {n}"


def test_no_combination_acts_but_the_one() -> None:
    """Every way in which the last look may differ, each with each: none of them acts unless nothing differs."""
    answers, views = (False, True), (None, *VIEWS)
    standbys = [
        None,
        *(
            Standby(name=n, healthy=h, synchronous=s, streams=t)
            for n in ("two", "three")
            for h in (True, False)
            for s in (True, False)
            for t in (True, False)
        ),
    ]
    acted = []
    for answer, what, last, before in itertools.product(answers, views, standbys, standbys):
        look = altered(what, ROW - 1) if what else seen(ROW - 1)
        looks = [*dying()[:-2], seen(ROW - 2, standby=before), replace(look, leader_answers=answer, standby=last)]
        if isinstance(verdict(looks), Dead):
            acted.append((answer, what, last, before))
    assert acted == [(False, None, FIT, FIT)]


@pytest.mark.parametrize("n", range(1, ROW))
def test_whoever_was_frozen_between_two_looks_begins_anew(n: int) -> None:
    late = GAP
    looks = [
        replace(look, began=look.began + late, ended=look.ended + late) if i >= n else look
        for i, look in enumerate(dying())
    ]
    assert in_a_row(looks) == looks[n:]
    assert isinstance(verdict(looks), str) or looks[-1].began - looks[n].began >= SILENCE


@pytest.mark.parametrize("renewed", range(1, 12))
def test_a_leader_that_is_silent_and_renews_its_lease_keeps_it(renewed: int) -> None:
    """It acts once a renewal is overdue for as long as the silence must last, and begins anew at each renewal."""
    looks = [
        seen(n, view=replace(VIEW, left=TTL - 1 - (n - renewed if n >= renewed else n))) for n in range(renewed + 5)
    ]
    acts = [n for n in range(len(looks)) if isinstance(verdict(looks[: n + 1]), Dead)]
    assert [n for n in acts if n >= renewed] == [renewed + 4]


def test_a_verdict_that_comes_late_is_thrown_away() -> None:
    assert isinstance(verdict(dying(), later=GAP), str)


def test_a_clock_that_goes_back_is_not_believed() -> None:
    looks = dying()
    assert isinstance(judge(looks, looks[-1].began - 1, SILENCE), str)
    assert isinstance(verdict([*looks[:-1], replace(looks[-1], began=0.5, ended=0.9)]), str)


# -- what is read


def kv(value: str, revision: int, lease: str = "0") -> dict[str, str]:
    return {"value": base64.b64encode(value.encode()).decode(), "mod_revision": str(revision), "lease": lease}


def keys(**changed: Mapping[str, str]) -> dict[str, Mapping[str, str]]:
    config = json.dumps({"ttl": 20, "loop_wait": 1, "synchronous_mode": True})
    members = {"members/one": kv("{}", 8), "members/two": kv("{}", 3)}
    usual = {"leader": kv("one", 5, "7"), "sync": kv(VIEW.sync, 6), "config": kv(config, 2), "status": kv("{}", 9)}
    return {**usual, **members, **changed}


LEFT = {"TTL": "19", "grantedTTL": "20"}


def test_a_cluster_is_read_from_its_keys() -> None:
    assert etcd.view(keys(), LEFT) == VIEW


@pytest.mark.parametrize(
    "config",
    [{"pause": True}, {"standby_cluster": {"host": "x"}}, {"synchronous_mode": False}, {"synchronous_mode": "quorum"}],
)
def test_a_cluster_that_is_not_as_usual_is_left_alone(config: dict[str, Any]) -> None:
    usual = {"loop_wait": 1, "synchronous_mode": True}
    assert not etcd.view(keys(config=kv(json.dumps({**usual, **config}), 2)), LEFT).ready


def test_a_leader_that_is_being_moved_is_left_alone() -> None:
    assert not etcd.view(keys(failover=kv('{"leader":"one","member":"two"}', 10)), LEFT).ready


def test_without_keys_nothing_is_ready() -> None:
    found = etcd.view({}, {})
    assert (found.leader, found.ready, found.synced) == ("", False, frozenset())


STATUS = {"state": "running", "role": "replica", "sync_standby": True, "xlog": {"received_location": 1}}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({**STATUS, "replication_state": "in archive recovery"}, FIT),
        (STATUS, FIT),
        ({**STATUS, "replication_state": "streaming"}, replace(FIT, streams=True)),
        ({**STATUS, "pause": True}, replace(FIT, healthy=False)),
        ({**STATUS, "role": "primary"}, replace(FIT, healthy=False)),
        ({"state": "unknown", "role": "replica"}, Standby(name="two", healthy=False, synchronous=False, streams=True)),
        ({}, Standby(name="two", healthy=False, synchronous=False, streams=True)),
    ],
)
def test_a_standby_s_word_is_read(said: dict[str, Any], expected: Standby) -> None:
    assert asking.says("two", said) == expected


# -- the transaction


class Recorded(etcd.Etcd):
    """Keeps what would be asked."""

    def __init__(self) -> None:
        super().__init__(["here:2379", "there:2379"], "/service/credit/", None)  # type: ignore[arg-type]
        self.calls: list[tuple[str, Mapping[str, Any]]] = []

    def _call(self, method: str, body: Mapping[str, Any]) -> dict[str, Any]:
        self.calls.append((method, body))
        return {"succeeded": True}


def test_the_key_goes_only_if_nothing_was_written_and_sync_is_written_after_it() -> None:
    asked = Recorded()
    assert asked.depose(VIEW, ("/separuh/lab/verdict", 11))
    ((method, body),) = asked.calls
    compared = {base64.b64decode(one["key"]).decode(): one.get("mod_revision") for one in body["compare"][:-1]}
    assert method == "kv/txn"
    assert compared == {
        **{f"/service/credit/{name}": str(revision) for name, revision in VIEW.revisions},
        "/separuh/lab/verdict": "11",
    }
    assert body["compare"][-1]["lease"] == VIEW.lease
    (deleted, written) = body["success"]
    assert base64.b64decode(deleted["request_delete_range"]["key"]).decode() == "/service/credit/leader"
    assert base64.b64decode(written["request_put"]["key"]).decode() == "/service/credit/sync"
    assert base64.b64decode(written["request_put"]["value"]).decode() == VIEW.sync
