"""The engine that made a stack stays its engine; the first `up` takes Pulumi's where it can be had, and says why."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from infra import choice, pulumi_cli
from infra.choice import EMBEDDED, PULUMI, Choice, choose, maker, refuse_embedded
from infra.embedded_objects import Refused
from infra.present import Present
from tests.infra.test_settings import apart, lab

CLI = Path("/opt/bin/pulumi")
CLOSED = "Pulumi could not be fetched (no such host)"


def chosen(root: Path, made_by: str, cli: Path | None, monkeypatch: pytest.MonkeyPatch, **values: object) -> Choice:
    """Choose for a stack that `made_by` made, on a machine that has `cli` or cannot have it."""
    monkeypatch.setattr(choice, "maker", lambda engines, only: made_by)
    monkeypatch.setattr(pulumi_cli, "ensure", lambda say: cli)
    monkeypatch.setattr(pulumi_cli, "why_not", lambda: "" if cli else CLOSED)
    engines: Any = SimpleNamespace(settings=lab(root, **values))
    return choose(engines, lambda line: None)


@pytest.mark.parametrize(
    ("made_by", "engine", "cli", "expected"),
    [
        ("", "auto", CLI, Choice(PULUMI, f"it can be had ({CLI})", CLI)),
        ("", "auto", None, Choice(EMBEDDED, CLOSED)),
        ("", "embedded", CLI, Choice(EMBEDDED, "the settings say so")),
        ("", "pulumi", CLI, Choice(PULUMI, f"the settings say so ({CLI})", CLI)),
        (EMBEDDED, "auto", CLI, Choice(EMBEDDED, "it made this stack")),
        (PULUMI, "auto", CLI, Choice(PULUMI, f"it made this stack ({CLI})", CLI)),
    ],
)
def test_the_choice_and_its_reason(
    made_by: str, engine: str, cli: Path | None, expected: Choice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert chosen(tmp_path, made_by, cli, monkeypatch, engine=engine) == expected


@pytest.mark.parametrize(
    ("made_by", "values", "cli", "says"),
    [
        (PULUMI, {}, None, "needs Pulumi's engine.*no such host.*on the PATH"),
        ("", {"engine": "pulumi"}, None, "needs Pulumi's engine"),
        ("", {"production": True, **apart()}, None, "needs Pulumi's engine"),
        ("", {"production": True, "engine": "embedded", **apart()}, None, "needs Pulumi's engine"),
        (EMBEDDED, {"engine": "pulumi"}, CLI, "was made by the engine embedded.*set engine: embedded"),
        (PULUMI, {"engine": "embedded"}, CLI, "was made by the engine pulumi.*set engine: pulumi"),
    ],
)
def test_what_cannot_be_is_refused(
    made_by: str,
    values: dict[str, object],
    cli: Path | None,
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(Refused, match=f"(?s){says}"):
        chosen(tmp_path, made_by, cli, monkeypatch, **values)


def test_a_network_of_any_place_says_who_made_the_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    networks: dict[str, dict[str, Any]] = {
        "jkt": {},
        "sby": {"lab-link": {"Labels": {}}, "lab-sby": {"Labels": {"separuh.engine": "embedded"}}},
        "bdg": {},
    }
    asked = []

    def look(place: str, stack: str) -> Present:
        asked.append(place)
        return Present(found={"network": networks[place]}, foreign={})

    monkeypatch.setattr(choice, "look", look)
    engines: Any = SimpleNamespace(settings=lab(tmp_path), places=("jkt", "sby", "bdg"), client=lambda place: place)
    assert maker(engines) == EMBEDDED
    asked.clear()
    assert maker(engines, ("jkt",)) == ""
    assert asked == ["jkt"], "a place that is left out may be gone"
    with pytest.raises(Refused, match=r"lab was made by the embedded engine.*inv down"):
        refuse_embedded(engines, ("jkt", "sby"))
    refuse_embedded(engines, ("jkt",))
