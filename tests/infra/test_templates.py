"""What the members' config files say, where an error would be found out on the worst day only."""

from __future__ import annotations

import configparser
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509

from infra.cluster import shared as shared_by_members
from infra.render import render
from tests.infra.declarations import Estate, on_hosts, shared
from tests.infra.test_settings import lab

ESTATES = pytest.mark.parametrize("estate", [shared(), on_hosts()], ids=["one engine", "three hosts"])


def patroni(estate: Estate, site: str = "jkt") -> Any:
    return yaml.safe_load(estate.files(f"lab-{site}-db-1")["patroni.yml"])


def pgbackrest(text: str) -> dict[str, str]:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(text)
    return {key: value for section in parser.sections() for key, value in parser[section].items()}


def test_a_forgotten_value_is_an_error() -> None:
    with pytest.raises(Exception, match="undefined"):
        render("etcd/etcd.yml", name="x")


@ESTATES
def test_every_voter_knows_the_same_quorum(estate: Estate) -> None:
    voters = [yaml.safe_load(estate.files(f"lab-{place}-etcd-1")["etcd.yml"]) for place in ("jkt", "sby", "bdg")]
    members = [dict(part.split("=") for part in voter["initial-cluster"].split(",")) for voter in voters]
    assert all(one == other for one, other in pairwise(members))
    for voter in voters:
        assert members[0][voter["name"]] == voter["initial-advertise-peer-urls"]
        for side in ("client-transport-security", "peer-transport-security"):
            assert voter[side]["client-cert-auth"] is True
    assert len(members[0]) == len(set(members[0].values())) == 3


@ESTATES
def test_whatever_a_member_tells_others_to_connect_to_is_in_its_certificate(estate: Estate) -> None:
    for site in ("jkt", "sby"):
        config = patroni(estate, site)
        leaf = x509.load_pem_x509_certificate(estate.secrets.leaf(f"lab-{site}-db-1").certificate.encode())
        names = [str(name.value) for name in leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value]
        for told in (config["postgresql"]["connect_address"], config["restapi"]["connect_address"]):
            assert told.partition(":")[0] in names
        assert "leader" in names


@ESTATES
def test_no_password_crosses_a_line_in_the_clear(estate: Estate) -> None:
    for rule in patroni(estate)["postgresql"]["pg_hba"]:
        kind, *_, method = rule.split()
        assert (kind, method) in {("local", "peer"), ("local", "scram-sha-256"), ("hostssl", "scram-sha-256")}
    for user in patroni(estate)["postgresql"]["authentication"].values():
        assert (user["sslmode"], user["sslrootcert"]) == ("verify-full", "/config/ca.crt")
    ini = estate.files("lab-jkt-pooler-1")["pgbouncer.ini"]
    assert "server_tls_sslmode = verify-full" in ini
    assert "client_tls_sslmode = require" in ini
    dsn = json.loads(estate.files("lab-jkt-api-1")["api.json"])["dsn"]
    assert "sslmode=verify-full" in dsn
    assert "host=pooler-1.jkt " in dsn


def test_patronis_time_to_live_leaves_room_for_its_retries() -> None:
    dcs = patroni(shared())["bootstrap"]["dcs"]
    assert dcs["loop_wait"] + 2 * dcs["retry_timeout"] <= dcs["ttl"]
    assert dcs["ttl"] >= 20


def test_an_acknowledged_payment_is_on_both_sites_and_judged_by_its_commit() -> None:
    dcs = patroni(shared())["bootstrap"]["dcs"]
    assert (dcs["synchronous_mode"], dcs["synchronous_mode_strict"]) == (True, False)
    assert dcs["postgresql"]["parameters"]["track_commit_timestamp"] == "on"


def test_customers_leave_connections_to_those_who_mend() -> None:
    """Where commits wait for a lost standby they have all others, and it needs one to come back."""
    parameters = patroni(shared())["bootstrap"]["dcs"]["postgresql"]["parameters"]
    kept = parameters["superuser_reserved_connections"] + parameters["reserved_connections"]
    assert parameters["superuser_reserved_connections"] > 3, "Patroni alone has two of PostgreSQL's three"
    assert parameters["reserved_connections"] > 0
    assert kept < 25, "what max_connections is at least"


@ESTATES
@pytest.mark.parametrize(("site", "own", "other"), [("jkt", 1, 2), ("sby", 2, 1)])
def test_a_member_archives_to_its_own_site_alone_and_restores_from_both(
    estate: Estate, site: str, own: int, other: int
) -> None:
    files, config = estate.files(f"lab-{site}-db-1"), patroni(estate, site)["postgresql"]
    assert config["parameters"]["archive_mode"] == "always"
    assert "--config=/config/push.conf" in config["parameters"]["archive_command"]
    push, both = pgbackrest(files["push.conf"]), pgbackrest(files["pgbackrest.conf"])
    assert f"repo{own}-s3-bucket" in push
    assert not [key for key in push if key.startswith(f"repo{other}-")]
    assert {f"repo{n}-s3-bucket" for n in (1, 2)} <= set(both)
    assert config["recovery_conf"]["restore_command"] == f'restore-wal %f "%p" {own} {other}'


@ESTATES
def test_a_repository_is_encrypted_verified_and_kept_by_time(estate: Estate) -> None:
    both = pgbackrest(estate.files("lab-sby-backup-1")["pgbackrest.conf"])
    for number, site in ((1, "jkt"), (2, "sby")):
        assert both[f"repo{number}-cipher-pass"] == estate.secrets.cipher(site)
        assert both[f"repo{number}-s3-key"] == estate.secrets.s3(site).access_key
        assert both[f"repo{number}-storage-verify-tls"] == "y"
        assert both[f"repo{number}-retention-full-type"] == "time"
        assert both[f"repo{number}-block"] == "n"


@ESTATES
def test_only_the_other_sites_backup_role_is_let_in(estate: Estate) -> None:
    config = pgbackrest(estate.files("lab-jkt-backup-1")["pgbackrest.conf"])
    assert config["tls-server-auth"] == "lab-sby-backup-1=credit"
    assert "tls-server-auth" not in pgbackrest(estate.files("lab-jkt-db-1")["pgbackrest.conf"])


@ESTATES
def test_the_route_asks_every_patroni_over_tls_who_leads(estate: Estate) -> None:
    config = estate.files("lab-sby-route-1")["haproxy.cfg"]
    servers = [line for line in config.splitlines() if line.startswith("  server ")]
    assert [line.split()[1] for line in servers] == ["lab-jkt-db-1", "lab-sby-db-1"]
    for line in servers:
        assert f"verifyhost {line.split()[1]}" in line
    assert "check-ssl verify required ca-file /config/ca.crt" in config
    assert "init-addr last,libc,none" in config


@ESTATES
def test_metrics_are_shown_on_the_place_s_own_lan_alone(estate: Estate) -> None:
    for role in ("backup", "pooler", "store"):
        assert estate.files(f"lab-jkt-{role}-1")["metrics.address"] == f"{role}-1.jkt:8404"
    for role in ("route", "gateway"):
        lines = estate.files(f"lab-jkt-{role}-1")["haproxy.cfg"].splitlines()
        bound = [line.split()[1] for line in lines if line.startswith("  bind ") and line.endswith(":8404")]
        assert bound == [f"{role}-1.jkt:8404", "127.0.0.1:8404"]
    voter = yaml.safe_load(estate.files("lab-bdg-etcd-1")["etcd.yml"])
    assert voter["listen-metrics-urls"] == "http://127.0.0.1:8404"


@pytest.mark.parametrize(("durability", "strict"), [("available", False), ("strict", True)])
def test_a_stack_s_durability_reaches_the_cluster(durability: str, strict: bool, tmp_path: Path) -> None:
    wanted = shared_by_members(lab(tmp_path, database={"durability": durability}))
    assert wanted["synchronous_mode_strict"] is strict


def test_a_new_cluster_is_made_with_what_up_later_holds_it_to() -> None:
    assert patroni(shared())["bootstrap"]["dcs"] == shared_by_members(shared().settings)
