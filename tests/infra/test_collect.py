"""What the program declares, as it is kept: options, order, secrets, and what is refused."""

from __future__ import annotations

import pytest

from infra.collect import DeclarationError, collect
from tests.infra.estate_of_three import Choices, program

CONTAINER = "docker:index/container:Container"


def test_keeps_inputs_under_the_names_of_the_wire_and_marks_secrets() -> None:
    files = next(one for one in collect(program("few"), stack="few") if one.name == "few-jkt-db-1-files")
    assert (files.type, files.custom, files.inputs["mustRun"]) == (CONTAINER, True, False)
    assert files.inputs["uploads"][0]["content"] == Choices().password
    assert files.secrets == {"uploads"}


def test_every_resource_comes_after_all_it_depends_on() -> None:
    seen: set[str] = set()
    for one in collect(program("few"), stack="few"):
        assert set(one.options.depends_on) <= seen
        seen.add(one.urn)


def test_a_member_depends_on_its_files_its_volume_and_its_networks() -> None:
    member = next(one for one in collect(program("few"), stack="few") if one.name == "few-sby-db-1")
    names = {urn.rpartition("::")[2] for urn in member.options.depends_on}
    assert names == {"few-sby-db-1-files", "few-sby", "few-link", "few-sby-db-1-config"}


def test_options_are_kept_with_the_provider() -> None:
    def declare() -> None:
        import pulumi  # noqa: PLC0415
        import pulumi_docker as docker  # noqa: PLC0415

        site = pulumi.ComponentResource("separuh:infra:Site", "jkt")
        far = docker.Provider("far", host="ssh://root@203.0.113.7")
        options = pulumi.ResourceOptions(parent=site, provider=far, protect=True, retain_on_delete=True)
        docker.Volume("data", name="data", opts=options)

    declared = {one.name: one for one in collect(declare)}
    data = declared["data"].options
    assert data.provider == declared["far"].urn
    assert (data.protect, data.retain_on_delete) == (True, True)
    assert not declared["jkt"].custom


def test_runs_again_in_the_same_process_with_the_same_result() -> None:
    first, second = (sorted(collect(program("few"), stack="few"), key=lambda one: one.urn) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("output", ["id", "driver"])
def test_an_output_that_a_provider_computes_is_refused_by_name(output: str) -> None:
    def declare() -> None:
        import pulumi_docker as docker  # noqa: PLC0415

        docker.Container("member", image=getattr(docker.Network("lan"), output))

    with pytest.raises(DeclarationError, match=r"Container member: image is an output that only a provider"):
        collect(declare)


def test_an_error_of_the_program_reaches_the_caller_and_the_next_run_works() -> None:
    def declare() -> None:
        raise LookupError("no such place")

    with pytest.raises(LookupError, match="no such place"):
        collect(declare)
    assert collect(program("few"), stack="few")
