"""No secret of the stack can be read anywhere but in its age file and in the members' own files."""

from __future__ import annotations

import secrets
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

import pytest

from infra.secrets import Secrets
from infra.settings import ROOT
from tests.drills import exposure
from tests.drills.containers import inspect
from tests.drills.stack import Stack, docker

pytestmark = pytest.mark.drill

PACE = 0.1  # seconds between two looks at the processes of a run
# The ways in which a value can be shown, and where the search must come upon it.
SHOWN = {
    "arguments": {"inspect", "top", "processes of"},
    "environment": {"inspect", "processes of"},
    "label": {"inspect"},
    "log": {"log of"},
    "another process": {"top", "processes of"},
}


@contextmanager
def showing(image: str, value: str, way: str) -> Iterator[str]:
    """Run a container that shows `value` in one way; yield its name."""
    name = f"shown-{secrets.token_hex(4)}"
    options = {"environment": [f"--env=TOKEN={value}"], "label": [f"--label=token={value}"]}.get(way, [])
    command = f": {value}; sleep 600" if way == "arguments" else "sleep 600"
    docker("run", "-d", "--name", name, "--network=none", "--entrypoint=/bin/sh", *options, image, "-c", command)
    try:
        if way == "log":
            # By stdin: as an argument it would be shown in other ways too.
            to_log = ["docker", "exec", "-i", name, "sh", "-c", "cat > /proc/1/fd/2"]
            subprocess.run(to_log, input=f"{value}\n", text=True, check=True)
        if way == "another process":
            docker("exec", "-d", name, "sh", "-c", f": {value}; sleep 600")
        yield name
    finally:
        docker("rm", "--force", name)


@contextmanager
def watched(values: Secrets) -> Iterator[set[str]]:
    """Look at every process of this machine again and again; yield the set of those that showed a secret."""
    seen: set[str] = set()
    wanted, over = exposure.needles(values.values()), threading.Event()

    def look() -> None:
        while not over.wait(PACE):
            seen.update(exposure.found(wanted, exposure.of_machine()))

    watch = threading.Thread(target=look)
    watch.start()
    try:
        yield seen
    finally:
        over.set()
        watch.join()


@pytest.mark.parametrize("way", SHOWN)
def test_the_search_finds_what_is_shown(stack: Stack, way: str) -> None:
    image = inspect("container", [stack.container("jkt", "etcd")])[stack.container("jkt", "etcd")]["Config"]["Image"]
    value = secrets.token_hex(24)
    with showing(image, value, way) as name:
        where = exposure.found([value.encode()], exposure.of_container(name))
    assert where == {f"{place} {name}" for place in SHOWN[way]}


def test_the_watch_finds_an_argument_and_an_environment(stack: Stack) -> None:
    values = stack.estate.secrets
    first, last = [value for value in values.values() if "\n" not in value][:2]
    with watched(values) as seen:
        subprocess.run(["/bin/sh", "-c", f": {first}; sleep 1"], check=True)
        subprocess.run(["/bin/sleep", "1"], check=True, env={"TOKEN": last})
    assert seen == {"cmdline of sh", "environ of sleep"}


def test_a_private_key_is_known_by_a_line_of_its_own(stack: Stack) -> None:
    wanted = exposure.needles(stack.estate.secrets.values())
    assert len(set(wanted)) == len(wanted) > len(stack.estate.secrets.leaves) > 0
    assert min(map(len, wanted)) >= 40


def test_no_secret_is_shown_by_the_engine(stack: Stack) -> None:
    assert exposure.found(_needles(stack), exposure.of_engine(stack.name)) == set()


def test_no_secret_is_shown_while_a_backup_runs_or_in_what_it_leaves(stack: Stack) -> None:
    with watched(stack.estate.secrets) as seen:
        said = stack.inv("backup", within=300)
    assert seen == set()
    left = (
        iter([("what the run said", said.encode())]),
        exposure.of_checkout(ROOT / ".separuh" / stack.name),
        exposure.of_stores(stack.estate),
        exposure.of_quorum(stack.estate),
        exposure.of_engine(stack.name),
    )
    looked = list(chain(*left))
    assert exposure.found(_needles(stack), iter(looked)) == set()
    record = stack.last_record()["id"]
    assert len([where for where, text in looked if record.encode() in text]) > 2, "the record is looked at everywhere"


@pytest.mark.parametrize("verb", [("up", "--plan"), ("backup", "--plan"), ("status", "--json"), ("runs", "--json")])
def test_no_secret_is_shown_by_a_verb_that_looks(stack: Stack, verb: tuple[str, ...]) -> None:
    with watched(stack.estate.secrets) as seen:
        told, _ = stack.begin(*verb).communicate(timeout=120)  # whatever it concludes
    assert exposure.found(_needles(stack), iter([(" ".join(verb), told.encode())])) == seen == set()


def _needles(stack: Stack) -> list[bytes]:
    return exposure.needles(stack.estate.secrets.values())
