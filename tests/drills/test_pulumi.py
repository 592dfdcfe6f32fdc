"""Pulumi's own engine, typed by hand as docs/pulumi.md says: it makes what is declared, as the embedded one does."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import docker as docker_sdk
import pytest

from infra import pins, pulumi_cli
from infra.collect import collect
from infra.embedded_compare import compare
from infra.embedded_objects import KINDS as TYPES
from infra.estate import declare
from infra.present import look
from infra.uploads import archive
from runbooks.parts.repositories import cluster
from tests.drills import likeness
from tests.drills.by_hand import AGAIN, FIRST_UP, NAME, ByHand, documented
from tests.drills.containers import KINDS, identities, labelled, remains
from tests.drills.customer import pays
from tests.drills.made import files, held, with_the_embedded_engines_marks
from tests.drills.stack import docker, until

pytestmark = [pytest.mark.drill, pytest.mark.pulumi]


@pytest.fixture(scope="module")
def cli() -> Path:
    """The command line with its plugin, or a skip that says why there is none. Nothing is fetched for a test."""
    found = pulumi_cli.find()
    if found is None:
        pytest.skip("no Pulumi command line of the SDK's version or newer on this machine")
    if not pulumi_cli.has_plugin(found):
        pytest.skip("Pulumi's Docker plugin of the SDK's version is not on this machine")
    return found


@pytest.fixture(scope="module")
def hand(cli: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ByHand]:
    """The estate as `pulumi up` alone makes it, in a clone; taken down with its data at the end."""
    root = tmp_path_factory.mktemp("hand") / "clone"
    typed = ByHand(root, cli)
    try:
        typed.shell(documented(), FIRST_UP)
        yield typed
    finally:
        typed.stack.inv("down", "--volumes", "--confirm", NAME, within=AGAIN)
        assert not any(remains(NAME).values())
        assert not json.loads(typed.pulumi("stack export"))["deployment"].get("resources")


def archives(db: str) -> bool:
    """Say whether a database is up and has archived something."""
    asked = ("psql", "-h", "/var/run/postgresql", "-U", "postgres", "-XAtc")
    try:
        return docker("exec", db, *asked, "select archived_count > 0 from pg_stat_archiver").strip() == "t"
    except subprocess.CalledProcessError:
        return False


def test_the_lines_alone_give_an_estate_that_serves_and_archives(hand: ByHand) -> None:
    settings = hand.settings()
    for site in settings.sites:
        until(lambda site=site: pays(settings, site.name), AGAIN, f"payments at {site.name}")  # type: ignore[misc]
        db = hand.stack.container(site.name, "db")
        until(lambda db=db: archives(db), AGAIN, f"{db} archives")  # type: ignore[misc]


def test_git_sees_nothing_of_it(hand: ByHand) -> None:
    mine = {".venv", f"Pulumi.{NAME}.yaml"}  # what the drill put there itself
    seen = {line[3:] for line in hand.shell("git status --porcelain").splitlines()}
    assert seen - mine == set()


def test_each_object_is_as_declared_in_every_attribute(hand: ByHand) -> None:
    settings, secrets = hand.settings(), hand.secrets()
    declared = collect(lambda: declare(settings, secrets, pins.pins(settings, hand.root)), stack=NAME)
    objects = [one for one in declared if one.type in TYPES]
    client = docker_sdk.from_env()
    try:
        made = look(client, NAME, {str(one.inputs["image"]) for one in objects if "image" in one.inputs})
        assert {(kind, name) for kind in KINDS for name in made.found[kind]} == {
            (TYPES[one.type], str(one.inputs["name"])) for one in objects
        }
        uploaded = [one for one in objects if one.inputs.get("uploads")]
        assert {one.name: held(client, one) for one in uploaded} == {
            one.name: files(archive(one.inputs["uploads"])) for one in uploaded
        }
    finally:
        client.close()
    here = with_the_embedded_engines_marks(made, objects)
    unlike = {one.name: compare(one, here, ()) for one in objects}
    assert {name: verb for name, verb in unlike.items() if verb != ("", ())} == {}


def test_a_second_up_changes_nothing_whoever_types_it(hand: ByHand) -> None:
    before = identities(labelled("container", NAME))
    hand.pulumi("preview --expect-no-changes")
    told = hand.stack.inv("up", within=AGAIN)
    assert f"stack {NAME}: engine pulumi: it made this stack" in told
    assert re.search(r"Resources:\s+\d+ unchanged", told)
    assert identities(labelled("container", NAME)) == before


def test_nor_does_one_after_every_member_was_restarted(hand: ByHand) -> None:
    docker("restart", *pins.members(hand.settings()))
    hand.pulumi("preview --refresh --expect-no-changes")


def test_what_was_removed_stopped_or_altered_by_hand_is_mended_and_nothing_else(hand: ByHand) -> None:
    before = identities(labelled("container", NAME))
    removed, stopped, altered = (hand.stack.container("sby", role) for role in ("api", "pooler", "gateway"))
    docker("rm", "-f", removed)
    docker("stop", "-t", "3", stopped)
    docker("update", "--memory", "96m", "--memory-swap", "96m", altered)
    hand.stack.inv("up", within=AGAIN)
    after = identities(labelled("container", NAME))
    assert {name for name in before if after[name] != before[name]} <= {removed, stopped, altered}
    assert after[stopped][0] == before[stopped][0], "started, not made anew"
    hand.pulumi("preview --refresh --expect-no-changes")


def test_the_state_keeps_no_secret_in_clear(hand: ByHand) -> None:
    written = [path for path in hand.state.rglob("*") if path.is_file()]
    assert any(path.name == f"{NAME}.json" for path in written)
    for path in written:
        text = path.read_text(errors="replace")
        for secret in hand.secrets().values():
            assert secret not in text, path
            assert json.dumps(secret)[1:-1] not in text, path


def test_one_site_is_mended_while_the_other_stands_still(hand: ByHand) -> None:
    others = [name for name in pins.members(hand.settings()) if name.startswith(f"{NAME}-jkt-")]
    lost = hand.stack.container("sby", "gateway")
    until(lambda: cluster(hand.stack.estate).in_sync, AGAIN, "in sync, or nobody takes over from who stands still")
    docker("rm", "-f", lost)
    docker("pause", *others)
    try:
        before = identities(others)
        hand.stack.inv("up", "--site", "sby", within=AGAIN)
        assert identities([lost])
        assert identities(others) == before
    finally:
        docker("unpause", *others)


def test_the_embedded_engine_leaves_it_alone(hand: ByHand) -> None:
    hand.set_engine("embedded")
    try:
        assert "was made by the engine pulumi" in hand.stack.inv("up", code=3)
    finally:
        hand.set_engine("auto")


def test_the_embedded_engine_makes_the_same_of_every_object(hand: ByHand) -> None:
    """Last, as it takes down what Pulumi made, and makes it again with the same secrets and images."""
    client = docker_sdk.from_env()
    try:
        by_pulumi = likeness.objects(client, NAME)
        hand.stack.inv("down", "--volumes", "--confirm", NAME, within=AGAIN)
        hand.set_engine("embedded")
        assert f"stack {NAME}: engine embedded: the settings say so" in hand.stack.inv("up", within=AGAIN)
        by_embedded = likeness.objects(client, NAME)
    finally:
        client.close()
    assert len(by_pulumi) > len(pins.members(hand.settings()))
    told = likeness.unlike(by_pulumi, by_embedded)
    assert not told, "\n".join(told)
