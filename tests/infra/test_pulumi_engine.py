"""How `pulumi` is called: in the checkout, unasked, on this stack, with the operator's own passphrase where given."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from infra import pulumi_engine
from infra.present import Present
from infra.pulumi_engine import PASSPHRASE, PulumiFailed, environment, start_stopped, targets
from infra.settings import Settings
from tests.infra.test_settings import apart, lab

SECRET = f"{PASSPHRASE}_FILE"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A stack whose places share one engine."""
    return lab(tmp_path)


def command_line(root: Path, *stacks: str, failing: str = "never") -> Path:
    """Return a `pulumi` that knows `stacks`, writes down how it was called, and fails at `failing`."""
    cli = root / "pulumi"
    known = json.dumps([{"name": stack} for stack in stacks])
    cli.write_text(
        f'#!/bin/sh\necho "$*" >> {root}/calls\npwd > {root}/folder\n'
        f"case \"$*\" in *{failing}*) exit 255 ;; 'stack ls'*) echo '{known}' ;; esac\n"
    )
    cli.chmod(0o755)
    return cli


def calls(root: Path) -> list[str]:
    return (root / "calls").read_text().splitlines()


def test_up_makes_the_stack_once_and_selects_none(settings: Settings, tmp_path: Path) -> None:
    pulumi_engine.up(settings, tmp_path, command_line(tmp_path))
    assert calls(tmp_path) == [
        "stack ls --json --non-interactive",
        "stack init lab --no-select --non-interactive",
        "up --refresh --yes --skip-preview --stack lab --non-interactive",
    ]
    assert Path((tmp_path / "folder").read_text().strip()) == tmp_path


def test_a_plan_only_previews(settings: Settings, tmp_path: Path) -> None:
    pulumi_engine.preview(settings, tmp_path, command_line(tmp_path, "dev", "organization/separuh/lab"), only=("sby",))
    assert calls(tmp_path)[1:] == [
        f"preview --refresh {' '.join(targets(settings, ('sby',)))} --stack lab --non-interactive"
    ]


def test_down_lets_go_of_what_is_protected_and_then_destroys(settings: Settings, tmp_path: Path) -> None:
    pulumi_engine.down(settings, tmp_path, command_line(tmp_path, "lab"))
    assert [call.split(" --")[0] for call in calls(tmp_path)[1:]] == ["state unprotect", "destroy"]


def test_a_failure_names_the_command_and_what_next(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(PulumiFailed, match=r"pulumi state unprotect .* exited 255.*goes on from there"):
        pulumi_engine.down(settings, tmp_path, command_line(tmp_path, "lab", failing="unprotect"))
    assert "destroy" not in " ".join(calls(tmp_path))


def test_one_place_is_targeted_with_the_link_it_needs(tmp_path: Path) -> None:
    shared, own = lab(tmp_path), lab(tmp_path, **apart())
    of_site = ["--target=**::lab-sby", "--target=**::lab-sby-**"]
    assert targets(shared, ("sby",)) == [*of_site, "--target=**::lab-link"]
    assert targets(own, ("sby",)) == of_site
    assert targets(shared, ()) == []


def test_the_passphrase_is_made_once_in_a_file_for_nobody_else(tmp_path: Path) -> None:
    made = Path(environment(tmp_path, {"HOME": "/root"})[SECRET])
    text = made.read_text()
    assert (made.stat().st_mode & 0o777, len(text)) == (0o600, 64)
    again = environment(tmp_path, {"HOME": "/root"})
    assert (Path(again[SECRET]).read_text(), again["HOME"]) == (text, "/root")
    assert text not in again.values()


@pytest.mark.parametrize("given", [{SECRET: "/mine"}, {PASSPHRASE: "of my own"}])
def test_an_operators_own_passphrase_and_backend_stay(given: dict[str, str], tmp_path: Path) -> None:
    given = {**given, "PULUMI_BACKEND_URL": "s3://team"}
    assert environment(tmp_path, given) == {**given, "PULUMI_SKIP_UPDATE_CHECK": "1"}
    assert not list(tmp_path.iterdir())


def marks(name: str) -> dict[str, str]:
    """Return the labels that say what is in a member's name."""
    return dict(zip(("separuh.stack", "separuh.place", "separuh.role"), name.split("-"), strict=False))


def test_what_was_stopped_or_paused_is_started_at_the_places_asked_for(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = {
        "lab-sby-api-1": "exited",
        "lab-sby-api-2": "running",
        "lab-sby-api-2-files": "created",
        "lab-sby-route-1": "paused",
        "lab-jkt-api-1": "exited",
        "lab-sby-drill-r1": "exited",
    }
    found = {name: {"State": {"Status": state}, "Config": {"Labels": marks(name)}} for name, state in states.items()}
    done: list[str] = []
    again = {
        "exited": lambda api, name: done.append(f"start {name}"),
        "paused": lambda api, name: done.append(f"unpause {name}"),
    }
    monkeypatch.setattr(pulumi_engine, "AGAIN", again)
    monkeypatch.setattr(pulumi_engine, "look", lambda client, stack: Present(found={"container": found}, foreign={}))
    engines: Any = SimpleNamespace(
        settings=settings, places=("jkt", "sby"), client=lambda place: SimpleNamespace(api=None)
    )
    assert start_stopped(engines, ("sby",)) == ["lab-sby-api-1", "lab-sby-route-1"]
    assert done == ["start lab-sby-api-1", "unpause lab-sby-route-1"]
