"""The embedded engine's plan, against what engine 20.10 answered when the same small stack stood."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from infra import embedded_plan
from infra.collect import DeclarationError, Declared, collect
from infra.embedded_objects import Refused
from infra.embedded_plan import Plan, summary
from infra.engines import Engines
from infra.present import Present
from tests.infra.estate_of_three import IMAGE, PLACES, PORT, Choices, program, settings

STACK = "emb"
RECORDED = (Path(__file__).parent / "recorded" / "engine-20.10.json").read_text()
ONE_PLACE = Choices(places=("jkt",))
MEMBER = "emb-jkt-db-1"

Planner = Callable[..., Plan]


def standing(places: tuple[str, ...] = ("jkt",)) -> dict[str, Any]:
    """Return the recorded inspect data, by kind and name, once for each place."""
    found: dict[str, Any] = {}
    for place in places:
        of_place = RECORDED.replace("jkt", place).replace(str(PORT), str(PORT + PLACES.index(place)))
        for kind, objects in json.loads(of_place).items():
            found.setdefault(kind, {}).update(objects)
    return found


@cache
def declarations(choices: Choices) -> tuple[Declared, ...]:
    return tuple(collect(program(STACK, choices), stack=STACK))


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Planner:
    """Return a planner over recorded data instead of an engine's answers."""

    def make(
        found: dict[str, Any],
        choices: Choices = ONE_PLACE,
        foreign: dict[str, frozenset[str]] | None = None,
        declared: tuple[Declared, ...] = (),
        act: Callable[..., Any] = embedded_plan.plan,
        **options: Any,
    ) -> Any:
        nothing: dict[str, frozenset[str]] = {"container": frozenset(), "network": frozenset(), "volume": frozenset()}
        present = Present(found=found, foreign={**nothing, **(foreign or {})}, images=found["image"])
        monkeypatch.setattr(embedded_plan, "look", lambda *_: present)
        monkeypatch.setattr(Engines, "client", lambda *_: None)
        return act(declared or declarations(choices), Engines(settings(tmp_path, STACK)), **options)

    return make


def changed(planned: Plan) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(change.verb, change.name, change.why) for change in planned.changes]


def test_what_stands_as_declared_is_not_changed(plan: Planner) -> None:
    planned = plan(standing())
    assert changed(planned) == []
    assert summary(planned) == "nothing to change: 5 objects are as declared"


def test_nothing_stands_so_all_is_made_each_after_what_it_needs(plan: Planner) -> None:
    planned = plan({"container": {}, "network": {}, "volume": {}, "image": standing()["image"]})
    names = [change.name for change in planned.changes]
    assert {change.verb for change in planned.changes} == {"create"}
    assert names[-2:] == [f"{MEMBER}-files", MEMBER]
    assert {(before.kind, before.name) for before in planned.changes[-1].after} == {
        ("network", "emb-link"),
        ("network", "emb-jkt"),
        ("volume", f"{MEMBER}-config"),
        ("container", f"{MEMBER}-files"),
    }


@pytest.mark.parametrize(
    ("path", "value", "attribute"),
    [
        (("Image",), "sha256:0", "image"),
        (("Config", "Cmd"), ["sleep", "9"], "command"),
        (("Config", "User"), "0", "user"),
        (("Config", "Labels", "separuh.role"), "etcd", "labels"),
        (("Config", "Healthcheck", "Interval"), 10**9, "healthcheck"),
        (("HostConfig", "CapAdd"), ["CAP_NET_ADMIN"], "capabilities.adds"),
        (("HostConfig", "CapDrop"), None, "capabilities.drops"),
        (("HostConfig", "ReadonlyRootfs"), False, "readOnly"),
        (("HostConfig", "SecurityOpt"), None, "securityOpts"),
        (("HostConfig", "Tmpfs"), {"/tmp": "size=1m,mode=1777"}, "tmpfs"),  # noqa: S108
        (("HostConfig", "Binds"), ["emb-jkt-db-1-config:/config"], "volumes"),
        (("HostConfig", "PortBindings"), {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "25080"}]}, "ports"),  # noqa: S104
        (("HostConfig", "LogConfig", "Type"), "json-file", "logDriver"),
    ],
)
def test_an_attribute_that_differs_takes_a_new_container(
    plan: Planner, path: tuple[str, ...], value: Any, attribute: str
) -> None:
    found = standing()
    at = found["container"][MEMBER]
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    [(verb, name, why)] = changed(plan(found))
    assert (verb, name) == ("replace", MEMBER)
    assert [reason.split(":")[0] for reason in why] == [attribute]


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("Memory", 1, "memory: 1 -> 33554432"),
        ("CpuShares", 0, "cpuShares: 0 -> 64"),
        ("RestartPolicy", {"Name": "no"}, "restart: no -> unless-stopped"),
    ],
)
def test_a_limit_that_differs_is_changed_on_the_living_container(plan: Planner, key: str, value: Any, why: str) -> None:
    found = standing()
    found["container"][MEMBER]["HostConfig"][key] = value
    assert changed(plan(found)) == [("update", MEMBER, (why,))]


def test_a_lost_network_is_attached_again(plan: Planner) -> None:
    found = standing()
    del found["container"][MEMBER]["NetworkSettings"]["Networks"]["emb-link"]
    [(verb, name, why)] = changed(plan(found))
    assert (verb, name, why) == ("update", MEMBER, ("networks: nothing -> {'emb-link': ['db-1.jkt.link']}",))


@pytest.mark.parametrize("status", ["exited", "paused", "created"])
def test_a_member_that_does_not_run_is_started(plan: Planner, status: str) -> None:
    found = standing()
    found["container"][MEMBER]["State"]["Status"] = status
    assert changed(plan(found)) == [("start", MEMBER, (f"state: {status} -> running",))]


def test_other_content_is_uploaded_anew_and_never_shown(plan: Planner) -> None:
    planned = plan(standing(), replace(ONE_PLACE, password="another-secret"))  # noqa: S106
    [(verb, name, why)] = changed(planned)
    assert (verb, name) == ("replace", f"{MEMBER}-files")
    assert [re.fullmatch(r"uploads: \w{32} -> \w{32}", reason) is not None for reason in why] == [True]
    assert "another-secret" not in repr([change.why for change in planned.changes])


def test_what_is_no_longer_declared_goes_except_volumes(plan: Planner) -> None:
    planned = plan(standing(("jkt", "sby")))
    assert [(change.verb, change.kind, change.name) for change in planned.changes] == [
        ("remove", "container", "emb-sby-db-1"),
        ("remove", "container", "emb-sby-db-1-files"),
        ("remove", "network", "emb-sby"),
    ]


def test_what_a_restore_drill_has_made_is_left_to_it(plan: Planner) -> None:
    found = standing()
    drill = {"Config": {"Labels": {"separuh.stack": STACK, "separuh.place": "jkt", "separuh.role": "drill"}}}
    found["container"]["emb-jkt-drill-r1"] = {**drill, "State": {"Status": "running"}}
    assert changed(plan(found)) == []
    going = plan(found, act=lambda _, engines: embedded_plan.removal(engines, volumes=True, role="drill"))
    assert [change.name for change in going.changes] == ["emb-jkt-drill-r1"]


def test_one_place_alone_is_planned_and_the_others_are_left(plan: Planner) -> None:
    planned = plan(standing(("jkt", "sby")), Choices(places=("bdg",)), only=("bdg",))
    assert {change.place for change in planned.changes} == {"bdg"}
    assert {change.verb for change in planned.changes} == {"create"}


def test_what_a_killed_up_left_under_a_provisional_name_goes(plan: Planner) -> None:
    found = standing()
    found["container"][f"{MEMBER}.new"] = found["container"][MEMBER]
    assert changed(plan(found)) == [("remove", f"{MEMBER}.new", ("left by an up that was killed",))]


def test_stateful_members_of_two_places_are_never_replaced_in_one_go(plan: Planner) -> None:
    both = Choices(places=("jkt", "sby"), command=("sleep", "1001"))
    with pytest.raises(Refused, match=r"emb-...-db-1, emb-...-db-1 .*Name one site"):
        plan(standing(("jkt", "sby")), both)
    planned = plan(standing(("jkt", "sby")), replace(both, places=("sby",)), only=("sby",))
    assert [(change.verb, change.name) for change in planned.changes] == [("replace", "emb-sby-db-1")]


def test_nor_where_pulumi_made_them_and_is_to_replace_them(plan: Planner) -> None:
    found = standing(("jkt", "sby"))
    for network in ("emb-jkt", "emb-sby"):
        found["network"][network]["Labels"]["separuh.engine"] = "pulumi"
    as_it_stands, changed_in_both = Choices(places=("jkt", "sby")), Choices(places=("jkt", "sby"), command=("true",))
    plan(found, as_it_stands, act=embedded_plan.refuse_losses)
    plan(found, replace(changed_in_both, places=("sby",)), act=embedded_plan.refuse_losses, only=("sby",))
    with pytest.raises(Refused, match=r"emb-...-db-1, emb-...-db-1 .*Name one site"):
        plan(found, changed_in_both, act=embedded_plan.refuse_losses)


def test_a_foreign_name_is_refused_with_what_to_look_at(plan: Planner) -> None:
    found = standing()
    del found["volume"][f"{MEMBER}-config"]
    with pytest.raises(Refused, match=rf"docker volume inspect {MEMBER}-config"):
        plan(found, foreign={"volume": frozenset({f"{MEMBER}-config"})})


def test_another_type_is_refused_by_name(plan: Planner) -> None:
    with pytest.raises(Refused, match=r"stranger is a random:index/randomPet:RandomPet"):
        plan(standing(), replace(ONE_PLACE, extra="random:index/randomPet:RandomPet"))


def test_an_input_that_the_engine_does_not_know_is_refused_by_name(plan: Planner) -> None:
    *others, member = declarations(ONE_PLACE)
    strange = replace(member, inputs={**member.inputs, "privileged": True})
    with pytest.raises(DeclarationError, match=r"does not know privileged"):
        plan(standing(), declared=(*others, strange))


def test_a_missing_image_shows_in_the_plan(plan: Planner) -> None:
    found = standing()
    found["image"][IMAGE] = None
    planned = plan(found)
    reasons = [why for _, _, (why,) in changed(planned)]
    assert len(reasons) == 2
    shown = rf"image: {IMAGE} sha256:\w+ -> {IMAGE} \(not on this engine yet\)"
    assert all(re.fullmatch(shown, reason) for reason in reasons)
