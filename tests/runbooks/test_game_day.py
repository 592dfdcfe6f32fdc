"""Evidence of a game day: what its page and the auditor's check say, and that what is left out is no proof."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from infra.secrets import Secrets
from runbooks import evidence as verb
from runbooks.core.errors import Exit, SeparuhError
from runbooks.core.evidence import Check, Evidence, Objective
from runbooks.core.game_day import CHECKS, Customers, Fault, GameDay, Gateway, Written, is_one
from runbooks.parts.evidence_files import files
from tests.runbooks.test_evidence import EVIDENCE, Page

RUN = "20261124T170730Z-drill.failover-de24e8"
SURVIVED = GameDay(
    run=RUN,
    stack="prod",
    operator="sari@ops process 42",
    commit="4759f48a1b2c",
    change="CHG-2026-118",
    started_at="2026-11-24T17:07:31.120+00:00",
    ended_at="2026-11-24T17:08:34.900+00:00",
    seconds=63.8,
    fault=Fault(
        kind="link",
        site="sby",
        direction="in",
        struck_at="2026-11-24T17:07:36.100+00:00",
        lifted_at="2026-11-24T17:08:11.300+00:00",
    ),
    led="sby",
    leads="jkt",
    leader_seconds=26.4,
    rejoined_seconds=22.4,
    customers=Customers(
        rate=50,
        sent=2929,
        acknowledged=1761,
        retried=298,
        failed=1168,
        lost=0,
        gateways={
            "jkt": Gateway(outage_seconds=28.45, spared=True),
            "sby": Gateway(outage_seconds=33.75, spared=False),
        },
    ),
    written=(Written(site="jkt", path="route", acknowledged=112, later=105, refused=31),),
    checks=tuple(Check(name=name, outcome="passed") for name in CHECKS),
    rto=Objective(seconds=28.45, target=30),
)
NOT_SURVIVED = replace(
    SURVIVED,
    leads="",
    leader_seconds=None,
    rejoined_seconds=None,
    customers=None,
    checks=(Check(name="one_leader", outcome="failed", found="by the old leader: <b>jkt/route/0/7</b>"),),
    rto=Objective(seconds=None, target=30),
)


@pytest.mark.parametrize("evidence", [SURVIVED, NOT_SURVIVED], ids=["survived", "not survived"])
def test_it_says_the_same_when_it_is_read_again(evidence: GameDay) -> None:
    assert GameDay.parse(evidence.dump()) == evidence
    assert is_one(evidence.dump())


def test_the_two_kinds_of_evidence_are_told_apart() -> None:
    assert not is_one(EVIDENCE.dump())
    assert not is_one("[")
    with pytest.raises(SeparuhError, match="no evidence that is known here"):
        Evidence.parse(SURVIVED.dump())
    with pytest.raises(SeparuhError, match="no evidence that is known here"):
        GameDay.parse(EVIDENCE.dump())


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_that_failed_or_was_left_out_is_no_proof(name: str) -> None:
    others = tuple(check for check in SURVIVED.checks if check.name != name)
    assert SURVIVED.proved
    assert not replace(SURVIVED, checks=others).proved
    assert not replace(SURVIVED, checks=(*others, Check(name=name, outcome="failed"))).proved
    assert replace(SURVIVED, checks=(*others, Check(name=name, outcome="not compared"))).verdict == "not compared"


@pytest.mark.parametrize("evidence", [SURVIVED, NOT_SURVIVED], ids=["survived", "not survived"])
@pytest.mark.parametrize("kind", ["process", "leader", "site", "link"])
def test_the_page_says_all_that_the_evidence_says_and_fetches_nothing(
    sealed_for: Secrets, evidence: GameDay, kind: str
) -> None:
    struck = replace(evidence.fault, kind=kind, direction="in" if kind == "link" else "")
    text = files(replace(evidence, fault=struck), sealed_for)[f"{RUN}.html"].decode()
    read = Page(text)
    assert not [tag for tag, attrs in read.tags if tag in ("script", "link", "img", "iframe") or "src" in attrs]
    assert not re.search(r"https?://|url\(|@import", text)
    shown = re.sub(r"\s+", " ", read.text)
    wanted = [title for pair in CHECKS.values() for title in pair] + [check.found for check in evidence.checks]
    wanted += ["prod", "sby", "24 Nov 2026, 17.07.36 UTC", "CHG-2026-118"]
    wanted += ["28,4 s", "33,8 s", "2 929, 1 761, 298, 1 168"] if evidence.customers else []
    assert [each for each in wanted if each not in shown] == []
    assert ("TIDAK TERBUKTI" in shown) != evidence.proved
    assert ("what is sent to it" in shown) == (kind == "link")


def test_an_auditor_reads_what_it_says(sealed_for: Secrets, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, content in files(SURVIVED, sealed_for).items():
        (tmp_path / name).write_bytes(content)
    assert verb.verify(str(tmp_path / f"{RUN}.json"), "") == Exit.DONE
    assert capsys.readouterr().out.splitlines()[3:] == [
        "it says: link (in) struck at sby, which led stack prod; jkt leads now, on "
        "2026-11-24T17:08:34.900+00:00: PROVED, 7 of 7 checks passed",
        "RTO 28.4 s (target 30 s, met), 0 acknowledged payments lost",
    ]
