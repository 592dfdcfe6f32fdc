"""A stack's config is refused with the file, the key and the reason, never half read."""

from pathlib import Path

import pytest
import yaml

from infra.settings import PORTS, Settings, SettingsError, address, container, load

SITES = [{"name": "jkt", "city": "Jakarta"}, {"name": "sby", "city": "Surabaya"}]
WITNESS = {"name": "bdg", "city": "Bandung"}


def written(root: Path, **values: object) -> Path:
    """Write a stack called `lab` with these values over a sound one; return the folder."""
    config = {"sites": SITES, "witness": WITNESS, **values}
    text = yaml.safe_dump({"config": {f"separuh:{key}": value for key, value in config.items()}})
    (root / "Pulumi.lab.yaml").write_text(text)
    return root


def apart() -> dict[str, object]:
    """Three places, each on an engine and at an address of its own."""
    hosts = {
        place["name"]: {
            **place,
            "engine": f"ssh://root@10.0.0.{n}",
            "publish": {"address": f"10.0.0.{n}", "gateway": 80},
        }
        for n, place in enumerate([*SITES, WITNESS], start=1)
    }
    return {"sites": [hosts["jkt"], hosts["sby"]], "witness": hosts["bdg"]}


def lab(root: Path, **values: object) -> Settings:
    return load("lab", written(root, **values))


@pytest.mark.parametrize("stack", ["dev", "test"])
def test_committed_stacks_load(stack: str) -> None:
    settings = load(stack)
    assert [place.name for place in settings.places] == ["jkt", "sby", "bdg"]
    assert settings.one_engine
    assert not settings.production


def test_unknown_stack_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no stack 'nope'.*known stacks: lab"):
        load("nope", written(tmp_path))


@pytest.mark.parametrize("stack", ["../etc", "", "Dev", "k", "a" * 40])
def test_a_stack_name_is_never_a_path(stack: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="a name has 2 to 12 of a-z"):
        load(stack, tmp_path)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"colour": "red"}, r"separuh:colour: Unexpected keyword"),
        ({"engine": "podman"}, r"separuh:engine: Input should be 'auto', 'pulumi' or 'embedded'"),
        ({"sites": SITES[:1]}, r"separuh:sites: Tuple should have at least 2 items"),
        ({"sites": [SITES[0], SITES[0]]}, "two places have the same name"),
        ({"production": True}, "production needs three engines"),
        ({"backup": {"lock_days": 9, "retention_days": 3}}, "must not lose its lock before"),
        ({"witness": {**WITNESS, "publish": {"address": "bdg.example"}}}, r"separuh:witness\.publish\.address"),
        ({"database": {"ttl_seconds": 5}}, "separuh:database.ttl_seconds"),
        ({"failover": {"detector": True, "silence_seconds": 19}}, "failover.silence_seconds must end before"),
        ({"otlp_endpoint": "https://user:password@traces"}, "separuh:otlp_endpoint"),
        ({"members": {"cache": {"memory": 1, "cpu_shares": 1}}}, r"separuh:members\.cache.*etcd\|detector\|db"),
    ],
)
def test_a_wrong_value_is_named(values: dict[str, object], says: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=says) as refusal:
        lab(tmp_path, **values)
    assert "Pulumi.lab.yaml" in str(refusal.value)


def test_a_file_that_is_no_yaml_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.lab.yaml").write_text("config: [")
    with pytest.raises(SettingsError, match=r"Pulumi\.lab\.yaml is not YAML"):
        load("lab", tmp_path)


def test_a_witness_on_a_sites_engine_is_refused(tmp_path: Path) -> None:
    values = apart()
    values["witness"] = {**values["witness"], "engine": "ssh://root@10.0.0.1"}  # type: ignore[dict-item]
    with pytest.raises(SettingsError, match="a witness on a site's engine falls with it"):
        lab(tmp_path, **values)


def test_places_apart_need_an_address_others_can_reach(tmp_path: Path) -> None:
    values = apart()
    values["witness"] = {**values["witness"], "publish": {}}  # type: ignore[dict-item]
    with pytest.raises(SettingsError, match=r"publish\.address"):
        lab(tmp_path, **values)


def test_a_member_has_one_fixed_name(tmp_path: Path) -> None:
    settings = lab(tmp_path)
    assert container(settings, settings.witness, "etcd") == "lab-bdg-etcd-1"


def test_the_way_to_a_member_depends_on_who_asks(tmp_path: Path) -> None:
    settings = lab(tmp_path)
    jkt, sby = settings.sites
    assert address(settings, jkt, jkt, "api", 2) == f"api-2.jkt:{PORTS['api']}"
    assert address(settings, jkt, sby, "patroni") == "db-1.sby.link:8008"
    with pytest.raises(SettingsError, match="serves its own site only"):
        address(settings, jkt, sby, "pooler")


def test_places_apart_meet_at_published_ports(tmp_path: Path) -> None:
    settings = lab(tmp_path, **apart())
    jkt, sby = settings.sites
    assert address(settings, jkt, sby, "etcd_peer") == "10.0.0.2:2380"


def test_limits_of_a_role_can_be_the_stacks_own(tmp_path: Path) -> None:
    settings = lab(tmp_path, members={"db": {"memory": 1 << 30, "cpu_shares": 512}})
    assert settings.member("db").memory == 1 << 30
    assert settings.member("etcd").cpu_shares > settings.member("store").cpu_shares
