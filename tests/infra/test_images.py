"""A tag follows what went into an image; a pin follows nobody but the operator; delivery sends what is missing."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from docker.errors import DockerException, ImageNotFound

from infra import base_image, images, pins
from infra.images import IMAGES, ROLES, ImagesError, build
from infra.settings import Settings
from tests.infra.test_settings import apart, lab


class Engine:
    """Answers as a Docker engine does, as far as building and delivering ask; keeps what it was told."""

    def __init__(self, *tags: str, packages: str = "curl\t8.0\n", base: str = "sha256:base") -> None:
        self.images, self.containers = self, self
        self.tags, self.packages, self.base = {tag: SimpleNamespace(tags=[tag]) for tag in tags}, packages, base
        self.built: list[Any] = []
        self.loaded: list[str] = []

    def get(self, name: str) -> Any:
        for image in self.built:
            if name in (image.id, *image.tags):
                return image
        if name == base_image.TAG:
            return SimpleNamespace(id=self.base)
        if name in self.tags:
            return SimpleNamespace(save=lambda named: name)
        raise ImageNotFound(name)

    def list(self, filters: dict[str, str] | None = None) -> list[Any]:
        if not filters:
            return [*self.tags.values(), *self.built]
        return [image for image in self.built if filters["label"] == f"{images.INPUTS}={image.inputs}"]

    def build(self, *, fileobj: Any, labels: dict[str, str], buildargs: dict[str, str], **_: Any) -> Any:
        with tarfile.open(fileobj=fileobj) as context:
            files = context.getnames()
        image = SimpleNamespace(
            id=f"sha256:{labels[images.INPUTS]}", inputs=labels[images.INPUTS], files=files, args=buildargs, tags=[]
        )
        image.tag = lambda name, tag: image.tags.append(f"{name}:{tag}")
        self.built.append(image)
        return image, []

    def create(self, _: str) -> Any:
        path = Path(images.PACKAGES).name

        def archive(_: str) -> tuple[Iterator[bytes], None]:
            stream = io.BytesIO()
            with tarfile.open(fileobj=stream, mode="w") as tar:
                entry = tarfile.TarInfo(path)
                entry.size = len(self.packages)
                tar.addfile(entry, io.BytesIO(self.packages.encode()))
            return iter([stream.getvalue()]), None

        return SimpleNamespace(get_archive=archive, remove=lambda: None)

    def load(self, saved: str) -> None:
        self.loaded.append(saved)

    def pull(self, tag: str) -> None:
        self.loaded.append(f"pulled {tag}")


class Silent:
    """An engine that does not answer."""

    @property
    def images(self) -> Any:
        raise DockerException("no route to host")


def quiet(_: str) -> None:
    return


def made(engine: Any, *names: str) -> dict[str, str]:
    return build(frozenset(names), engine, quiet)


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of images like the real one: a common layer, and two images on it."""
    for path in ("base/Dockerfile", "common/entrypoint", "etcd/Dockerfile", "pooler/Dockerfile"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(path)
    monkeypatch.setattr(images, "CONTEXT", tmp_path)
    return tmp_path


def test_the_same_inputs_are_built_once(context: Path) -> None:
    engine = Engine()
    first = made(engine, "etcd", "pooler")
    assert made(engine, "etcd", "pooler") == first
    assert len(engine.built) == 3
    assert [image.files for image in engine.built if image.tags[0].startswith("separuh/etcd:")] == [["etcd/Dockerfile"]]


def test_a_tag_never_moves_to_another_build_of_the_same_inputs(context: Path) -> None:
    engine = Engine()
    tag = made(engine, "etcd")["etcd"]
    first = engine.get(tag)
    first.inputs = "somebody built it at the same time, and was not seen yet"
    assert made(engine, "etcd")["etcd"] == tag
    assert engine.get(tag) is first


@pytest.mark.parametrize("path", ["common/entrypoint", "base/Dockerfile", "etcd/Dockerfile"])
def test_whatever_goes_in_changes_the_tag(context: Path, path: str) -> None:
    before = made(Engine(), "etcd")["etcd"]
    (context / path).write_text("changed")
    assert made(Engine(), "etcd")["etcd"] != before


def test_a_file_s_mode_and_the_base_and_packages_change_the_tag(context: Path) -> None:
    tags = {made(Engine(), "etcd")["etcd"], made(Engine(base="sha256:newer"), "etcd")["etcd"]}
    tags.add(made(Engine(packages="curl\t8.1\n"), "etcd")["etcd"])
    (context / "etcd/Dockerfile").chmod(0o755)
    tags.add(made(Engine(), "etcd")["etcd"])
    assert len(tags) == 4


def test_another_image_s_files_do_not_change_the_tag(context: Path) -> None:
    before = made(Engine(), "etcd")["etcd"]
    (context / "pooler/Dockerfile").write_text("changed")
    assert made(Engine(), "etcd")["etcd"] == before


def test_every_role_runs_an_image_that_is_there_and_nobody_is_root() -> None:
    assert set(ROLES.values()) | {"base", "fault"} == set(IMAGES)
    for image in IMAGES.values():
        assert (images.CONTEXT / image.name / "Dockerfile").is_file()
        assert image.uid > 0 or image.name == "fault"
    for role, name in ROLES.items():
        assert (images.CONTEXT / name / role).is_file()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return lab(tmp_path)


def tags_of(name: str) -> Any:
    return lambda names, client, say: {one: f"separuh/{one}:{name}" for one in names}


def test_the_first_up_pins_every_member_and_later_ones_keep_the_pins(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pins, "build", tags_of("old"))
    first = pins.ensure(settings, tmp_path, Engine(), quiet)  # type: ignore[arg-type]
    assert set(first) == set(pins.members(settings))
    monkeypatch.setattr(pins, "build", tags_of("new"))
    assert pins.ensure(settings, tmp_path, Engine(), quiet) == first  # type: ignore[arg-type]
    assert pins.pins(settings, tmp_path) == first


def test_a_new_member_gets_a_pin_and_moves_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pins, "build", tags_of("old"))
    first = pins.ensure(lab(tmp_path), tmp_path, Engine(), quiet)  # type: ignore[arg-type]
    monkeypatch.setattr(pins, "build", tags_of("new"))
    three = [{"name": name, "city": "X", "apis": 3} for name in ("jkt", "sby")]
    later = pins.ensure(lab(tmp_path, sites=three), tmp_path, Engine(), quiet)  # type: ignore[arg-type]
    assert {name: tag for name, tag in later.items() if name in first} == first
    assert later["lab-jkt-api-3"] == later["lab-sby-api-3"] == "separuh/api:new"


def test_the_stack_s_config_decides_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pins, "build", tags_of("old"))
    pins.ensure(lab(tmp_path), tmp_path, Engine(), quiet)  # type: ignore[arg-type]
    chosen = lab(tmp_path, images={"lab-jkt-db-1": "separuh/database:chosen"})
    assert pins.pins(chosen, tmp_path)["lab-jkt-db-1"] == "separuh/database:chosen"


def test_a_workload_of_one_s_own_is_not_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[frozenset[str]] = []

    def build_asked(names: frozenset[str], *_: object) -> dict[str, str]:
        asked.append(names)
        return dict.fromkeys(names, "separuh/any:1")

    monkeypatch.setattr(pins, "build", build_asked)
    own = pins.ensure(lab(tmp_path, api_image="credit:1.0"), tmp_path, Engine(), quiet)  # type: ignore[arg-type]
    assert own["lab-jkt-api-1"] == "credit:1.0"
    assert "api" not in asked[0]


def delivered(root: Path, **engines: Any) -> list[str]:
    """Deliver one tag everywhere; return what was said."""
    settings = lab(root, **apart())
    pinned = dict.fromkeys(pins.members(settings), "separuh/all:1")
    said: list[str] = []
    pins.deliver(settings, pinned, engines, Engine("separuh/all:1"), said.append)  # type: ignore[arg-type]
    return said


def test_delivery_sends_what_is_missing_and_goes_on_without_a_silent_place(tmp_path: Path) -> None:
    has, lacks = Engine("separuh/all:1"), Engine()
    said = delivered(tmp_path, jkt=has, sby=lacks, bdg=Silent())
    assert (has.loaded, lacks.loaded) == ([], ["separuh/all:1"])
    assert said[0] == "sby: sending separuh/all:1"
    assert said[1].startswith("warning: bdg (ssh://root@10.0.0.3) does not answer")


def test_an_image_that_is_nowhere_is_refused_with_a_way_out(tmp_path: Path) -> None:
    settings = lab(tmp_path)
    pinned = dict.fromkeys(pins.members(settings), "separuh/all:1")
    places: Any = {place.name: Engine() for place in settings.places}
    with pytest.raises(ImagesError, match=r"(?s)jkt is to run separuh/all:1.*pins"):
        pins.deliver(settings, pinned, places, Engine(), quiet)  # type: ignore[arg-type]


def test_the_pins_file_is_plain_yaml(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pins, "build", tags_of("old"))
    pins.ensure(settings, tmp_path, Engine(), quiet)  # type: ignore[arg-type]
    text = pins.pins_file(settings, tmp_path).read_text()
    assert yaml.safe_load(text)["lab-bdg-etcd-1"] == "separuh/etcd:old"
