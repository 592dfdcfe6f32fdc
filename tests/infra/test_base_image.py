"""The base image is the one that is there, else the one a registry has under its digest, else made."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from unittest.mock import Mock

import pytest
from docker.errors import APIError, ImageNotFound

from infra import base_image, failures
from infra.machine import MachineError


def engine(*, registry: bool) -> Mock:
    """Return a client of an engine without a base image; `registry` says whether one answers."""
    client = Mock()
    client.api.timeout = 120
    client.images.get.side_effect = [ImageNotFound("no such image"), Mock(id="sha256:base")]
    if not registry:
        client.api.inspect_distribution.side_effect = APIError("no such host")
    return client


@pytest.fixture
def mmdebstrap(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[str]]:
    """Return a function that puts an mmdebstrap in place, ending with the code given; it returns what will be run."""

    def install(code: int) -> list[str]:
        run: list[str] = []

        def mmdebstrap(argv: tuple[str, ...], **_: object) -> CompletedProcess[str]:
            run.extend(argv)
            Path(argv[-1]).write_bytes(b"tar")
            return CompletedProcess(argv, code, "", "E: no mirror")

        monkeypatch.setattr(shutil, "which", lambda _: "/usr/bin/mmdebstrap")
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        monkeypatch.setattr(subprocess, "run", mmdebstrap)
        return run

    return install


def test_an_image_that_is_there_is_taken_as_it_is(tmp_path: Path) -> None:
    client = Mock()
    client.images.get.return_value.id = "sha256:there"
    assert base_image.ensure(client, memory=tmp_path) == "sha256:there"
    client.api.inspect_distribution.assert_not_called()


def test_a_registry_is_asked_by_digest_and_with_little_patience(tmp_path: Path) -> None:
    client = engine(registry=True)
    patience: list[float] = []
    client.api.inspect_distribution.side_effect = lambda _: patience.append(client.api.timeout)
    assert base_image.ensure(client, memory=tmp_path) == "sha256:base"
    client.images.pull.assert_called_once_with("debian", tag=base_image.DIGEST)
    client.images.pull.return_value.tag.assert_called_once_with("debian", "trixie-slim")
    assert patience == [base_image.REGISTRY_SECONDS]
    assert client.api.timeout == 120


def test_without_a_registry_it_is_made_and_the_registry_left_alone_for_a_day(
    tmp_path: Path, mmdebstrap: Callable[[int], list[str]]
) -> None:
    run = mmdebstrap(0)
    first, second = engine(registry=False), engine(registry=False)
    assert base_image.ensure(first, memory=tmp_path) == base_image.ensure(second, memory=tmp_path) == "sha256:base"
    assert run.count("mmdebstrap") == 2
    assert "no such host" in failures.recall("registry", tmp_path)
    second.api.inspect_distribution.assert_not_called()
    assert second.api.import_image_from_data.call_args.kwargs == {"repository": "debian", "tag": "trixie-slim"}


def test_a_mirror_that_fails_is_told_in_its_own_words(tmp_path: Path, mmdebstrap: Callable[[int], list[str]]) -> None:
    mmdebstrap(25)
    with pytest.raises(MachineError, match="E: no mirror"):
        base_image.ensure(engine(registry=False), memory=tmp_path)


def test_where_it_can_neither_be_pulled_nor_made_the_way_out_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(MachineError, match=r"no such host.*mmdebstrap.*docker load"):
        base_image.ensure(engine(registry=False), memory=tmp_path)
