"""What a fault is struck with, and how it ends by itself; and what the writers to both sides are asked and say."""

from __future__ import annotations

import ast
import json

import pytest

from infra.settings import ROOT
from runbooks.adapters import both_sides, fault
from runbooks.adapters.both_sides import Acknowledged, Heard, Refused, Writers
from runbooks.adapters.fault import Direction

IMAGE = "separuh/fault:1"
# `docker container inspect` of engine 20.10, shortened to what is read.
INSPECTED = json.dumps(
    [
        {
            "Name": "/lab-sby-db-1",
            "NetworkSettings": {"Networks": {"lab-link": {"IPAddress": "172.30.0.9"}, "lab-sby": {}}},
        },
        {"Name": "/lab-sby-store-1", "NetworkSettings": {"Networks": {"lab-link": {"IPAddress": ""}}}},
        {"Name": "/lab-sby-api-1", "NetworkSettings": {"Networks": {"lab-sby": {"IPAddress": "172.31.0.4"}}}},
    ]
)
# `nft list ruleset` of nftables 1.1.3, while two peers are dropped both ways.
LISTED = """table inet separuh {
    set peers {
        type ipv4_addr
        flags timeout
        elements = { 172.30.0.9 timeout 1m30s expires 1m29s888ms,
            172.30.0.10 timeout 1m30s expires 1m29s888ms }
    }

    chain incoming {
        type filter hook input priority raw; policy accept;
        ip saddr @peers drop
    }
}
"""


@pytest.mark.parametrize(
    ("direction", "hooks"), [("both", {"input", "output"}), ("in", {"input"}), ("out", {"output"})]
)
def test_a_link_is_cut_in_the_ways_that_are_asked_for_and_for_so_long(direction: Direction, hooks: set[str]) -> None:
    command = fault.cut("lab-jkt-db-1", IMAGE, ["172.30.0.9", "172.30.0.10"], direction, 90)
    script = str(command.stdin)
    assert {word for word in ("input", "output") if f"hook {word} " in script} == hooks
    assert "{ 172.30.0.10 timeout 90s, 172.30.0.9 timeout 90s }" in script
    assert command.argv[command.argv.index("--network") + 1] == "container:lab-jkt-db-1"
    assert command.argv[-4:] == (IMAGE, "nft", "-f", "-")


def test_it_takes_one_right_in_one_network() -> None:
    argv = " ".join(fault.cut("lab-jkt-db-1", IMAGE, ["172.30.0.9"], "both", 90).argv)
    assert "--user 0 --cap-drop ALL --cap-add NET_ADMIN" in argv
    assert "privileged" not in argv


def test_how_many_peers_are_cut_off_is_counted() -> None:
    assert fault.dropped("lab-jkt-db-1", IMAGE).parse(LISTED) == 2
    assert fault.dropped("lab-jkt-db-1", IMAGE).parse("") == 0


def test_mending_needs_nothing_to_be_cut() -> None:
    assert fault.mend("x", IMAGE).argv[-2:] == ("nft", "add table inet separuh; delete table inet separuh")


def test_containers_are_held_down_by_their_own_engine() -> None:
    argv = fault.hold_down("lab-jkt-fault", IMAGE, ["lab-jkt-db-1", "lab-jkt-etcd-1"], 90).argv
    assert argv[-5:] == (IMAGE, "hold", "90", "lab-jkt-db-1", "lab-jkt-etcd-1")
    assert "/var/run/docker.sock:/var/run/docker.sock" in argv
    assert argv[argv.index("--restart") :][:2] == ("--restart", "unless-stopped")


def test_the_program_that_holds_them_is_in_the_image() -> None:
    assert (ROOT / "infra/images/fault/hold").stat().st_mode & 0o100


def test_the_addresses_are_those_of_the_link() -> None:
    assert fault.addresses("lab-link", ["a"]).parse(INSPECTED) == ["172.30.0.9"]
    assert fault.addresses("lab-link", ["a"]).parse("") == []


def test_the_server_is_killed_by_the_number_in_its_own_file() -> None:
    assert fault.kill_server("/data/17/1").argv[-1] == "/data/17/1"


# -- both sides


WRITERS = Writers(
    site="jkt",
    database="credit",
    password="p'\"\\w",  # noqa: S106 - a test's
    paths={"route": "route-1.jkt:5432", "gateway": "http://gateway-1.jkt:8080/payments"},
    payments={"gateway": [(1, 2, 300)]},
    seconds=60,
)


def test_the_password_comes_by_stdin_and_the_program_is_python() -> None:
    command = both_sides.write("r1", WRITERS)
    assert command.argv == ("nice", "python3", "-", "r1")
    first, program = str(command.stdin).split("\n", 1)
    assert json.loads(ast.literal_eval(first.removeprefix("ASKED = ")))["password"] == WRITERS.password
    ast.parse(program)


def test_what_was_heard_is_read_up_to_where_the_program_was_killed() -> None:
    whole = [
        '["route", "jkt/route/0/1", 1.5, 1.6, "00000003"]',
        '["db-sby", 1.7]',
        '["gateway", "r1-jkt\\t1\\t2\\t300", 2, 2.5, ""]',
    ]
    said = "\n".join((*whole, '["route", "jk'))
    assert both_sides.write("r1", WRITERS).parse(said) == Heard(
        [
            Acknowledged("route", "jkt/route/0/1", 1.5, 1.6, "00000003"),
            Acknowledged("gateway", "r1-jkt\t1\t2\t300", 2, 2.5, ""),
        ],
        [Refused("db-sby", 1.7)],
    )
    assert both_sides.KILLED in both_sides.write("r1", WRITERS).ok
