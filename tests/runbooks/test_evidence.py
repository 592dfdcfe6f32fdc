"""Evidence: what it says, that no byte of it can be changed unseen, and how an auditor checks it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import asdict, replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra import signing
from infra.secrets import Secrets, create
from infra.settings import ROOT, load
from runbooks.core.errors import NotReady, NotVerified, SeparuhError
from runbooks.core.evidence import CHECKS, Check, Content, Evidence, Objective, Point, Restored
from runbooks.parts.evidence_files import files

RUN = "20261122T131403Z-restore-drill-1a2b3c"
EVIDENCE = Evidence(
    run=RUN,
    stack="prod",
    site="sby",
    operator="sari@ops process 42",
    commit="4759f48a1b2c",
    change="CHG-2026-118",
    started_at="2026-11-22T13:14:03.120+00:00",
    ended_at="2026-11-22T13:15:47.900+00:00",
    seconds=104.8,
    backup=Restored(
        repository="jkt",
        label="20261122-120000F",
        kind="full",
        ended_at="2026-11-22T12:04:09+00:00",
        database_bytes=23**7,
    ),
    point=Point(scheme="standby", lsn="0/1A2B3C4D", timeline=3, at="2026-11-22T12:11:58.000104+00:00"),
    content=Content(tables=9, rows=14_612_345, sha256="ab" * 32),
    checks=tuple(Check(name=name, outcome="passed", seconds=1.5) for name in CHECKS),
    rto=Objective(seconds=44.04, target=300),
    rpo=Objective(seconds=3.0, target=60),
    tools={"PostgreSQL": "17.12", "pgBackRest": "2.55.1"},
)
FAILED = replace(
    EVIDENCE,
    checks=(
        *EVIDENCE.checks[1:3],
        Check(name="fingerprint", outcome="failed", seconds=9, found="credit.public.payment: <b>1</b> & 'one' rupiah"),
    ),
    rto=Objective(seconds=None, target=300),
)


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Secrets:
    folder = tmp_path_factory.mktemp("secrets")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEPARUH_IDENTITY_FILE", str(folder / "identity.txt"))
        return create(load("dev", ROOT), folder)


@pytest.fixture(scope="module")
def folder(secrets: Secrets, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files as a drill leaves them."""
    folder = tmp_path_factory.mktemp("evidence")
    for name, content in files(EVIDENCE, secrets).items():
        (folder / name).write_bytes(content)
    return folder


def verify(file: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Call the verb as an auditor does: in a folder of their own, with no identity and no stack."""
    argv = (sys.executable, "-m", "invoke", "--search-root", str(ROOT), "evidence.verify", str(file), *options)
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    return subprocess.run(argv, env=environment, cwd=file.parent, capture_output=True, text=True, check=False)


def test_it_says_the_same_when_it_is_read_again() -> None:
    for evidence in (EVIDENCE, FAILED):
        assert Evidence.parse(evidence.dump()) == evidence
        assert Evidence.parse(evidence.dump()).dump() == evidence.dump()


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_that_failed_or_was_left_out_is_no_proof(name: str) -> None:
    others = tuple(check for check in EVIDENCE.checks if check.name != name)
    assert EVIDENCE.proved
    assert not replace(EVIDENCE, checks=others).proved
    assert not replace(EVIDENCE, checks=(*others, Check(name=name, outcome="failed"))).proved
    assert [check.outcome for check in replace(EVIDENCE, checks=others).every_check if check.name == name] == [
        "not run"
    ]


def test_a_check_that_nobody_knows_or_that_is_there_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="no such check, or more than once: luck"):
        replace(EVIDENCE, checks=(*EVIDENCE.checks, Check(name="luck", outcome="passed")))
    with pytest.raises(ValueError, match="more than once: books"):
        replace(EVIDENCE, checks=(*EVIDENCE.checks, Check(name="books", outcome="failed")))


@pytest.mark.parametrize(
    ("was", "changed", "where"),
    [
        ('"format": 1', '"format": 2', "format"),
        ('"stack": "prod"', '"stack": 7', "stack"),
        ('"target": 300.0', '"target": "soon"', "rto.target"),
        ('"stack"', '"stock"', "stack"),
        ("{\n", "[\n", "its beginning"),
    ],
)
def test_what_is_no_evidence_is_refused_in_words(was: str, changed: str, where: str) -> None:
    text = EVIDENCE.dump()
    assert was in text
    with pytest.raises(SeparuhError, match=f"no evidence that is known here, at {where}"):
        Evidence.parse(text.replace(was, changed, 1))


def test_an_auditor_finds_it_unchanged_and_reads_what_it_says(folder: Path) -> None:
    beside, given = (
        verify(folder / f"{RUN}.json"),
        verify(folder / f"{RUN}.json", "--key", str(folder / "evidence.pub")),
    )
    assert (beside.returncode, given.returncode) == (0, 0), beside.stderr + given.stderr
    assert "compare it with the one you were given" in beside.stdout
    assert "compare" not in given.stdout
    assert given.stdout.splitlines()[2:] == [
        "it says: backup 20261122-120000F of stack prod, restored at sby to 0/1A2B3C4D on "
        "2026-11-22T13:15:47.900+00:00: PROVED, 13 of 13 checks passed",
        "RTO 44.0 s (target 300 s, met), RPO 3.0 s (target 60 s, met)",
    ]
    assert verify(folder / f"{RUN}.html").returncode == 0


def test_what_failed_is_said_to_have_failed(secrets: Secrets, tmp_path: Path) -> None:
    for name, content in files(FAILED, secrets).items():
        (tmp_path / name).write_bytes(content)
    said = verify(tmp_path / f"{RUN}.json").stdout
    assert "NOT PROVED, 2 of 13 checks passed" in said
    assert "    fingerprint: failed: credit.public.payment: <b>1</b> & 'one' rupiah" in said
    assert "    payment: not run" in said
    assert "RTO not measured (target 300 s, missed)" in said


def test_what_was_changed_missing_or_signed_by_another_ends_in_words_and_its_own_code(
    folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / "other.pub").write_text(signing.public_half(signing.new_key()))
    (tmp_path / "no.pub").write_text("no key")
    file = tmp_path / f"{RUN}.json"
    assert (verify(file, "--key", str(tmp_path / "other.pub")).returncode, file.exists()) == (6, True)
    assert verify(file, "--key", str(tmp_path / "no.pub")).returncode == 3
    file.write_bytes(file.read_bytes().replace(b'"target": 60.0', b'"target": 90.0'))
    changed = verify(file)
    assert changed.returncode == 6
    assert "NOT what was signed by the key" in changed.stderr
    assert "Traceback" not in changed.stderr
    (tmp_path / f"{RUN}.json.sig").unlink()
    missing = verify(file)
    assert missing.returncode == 3
    assert "no such file or directory. A signature lies beside its file" in missing.stderr


def test_another_keys_signature_over_it_is_no_help(folder: Path, tmp_path: Path) -> None:
    """Who swaps the key and the signature, and leaves the file alone, is seen: the file names the key."""
    content, thief = (folder / f"{RUN}.json").read_bytes(), signing.new_key()
    (tmp_path / "it.json").write_bytes(content)
    (tmp_path / "it.json.sig").write_bytes(signing.sign(thief, content))
    (tmp_path / "evidence.pub").write_text(signing.public_half(thief))
    assert verify(tmp_path / "it.json").returncode == NotVerified.exit


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_byte_can_be_changed_unseen(folder: Path, data: st.DataObject) -> None:
    """Of the JSON, of the page, of either signature."""
    name = data.draw(st.sampled_from([f"{RUN}.json", f"{RUN}.html"]))
    content, signature = (folder / name).read_bytes(), (folder / f"{name}.sig").read_bytes()
    public = (folder / "evidence.pub").read_text()
    assert signing.holds(public, content, signature)
    at, by = data.draw(st.integers(0, len(content) - 1)), data.draw(st.integers(1, 255))
    assert not signing.holds(public, content[:at] + bytes([content[at] ^ by]) + content[at + 1 :], signature)
    assert not signing.holds(public, content[:at] + content[at + 1 :], signature)
    at %= len(signature)
    assert not signing.holds(public, content, signature[:at] + bytes([signature[at] ^ by]) + signature[at + 1 :])


def test_a_stack_from_before_evidence_is_told_how_to_get_a_key(secrets: Secrets) -> None:
    with pytest.raises(NotReady, match=r"\./inv up --stack dev adds the key"):
        files(EVIDENCE, replace(secrets, evidence_key=""))


class Page(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self, text: str) -> None:
        """Read it."""
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep it."""
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Keep it."""
        self.text += data


@pytest.mark.parametrize("evidence", [EVIDENCE, FAILED], ids=["proved", "failed"])
def test_the_page_says_all_that_the_evidence_says_and_fetches_nothing(secrets: Secrets, evidence: Evidence) -> None:
    made = files(evidence, secrets)
    text = made[f"{RUN}.html"].decode()
    read = Page(text)
    assert not [tag for tag, attrs in read.tags if tag in ("script", "link", "img", "iframe") or "src" in attrs]
    assert not re.search(r"https?://|url\(|@import", text)
    shown = re.sub(r"\s+", " ", read.text)
    wanted = [title for pair in CHECKS.values() for title in pair]
    wanted += ["prod", "sby", "20261122-120000F", "0/1A2B3C4D", "17.12", "CHG-2026-118", "22 Nov 2026, 13.14.03 UTC"]
    wanted += [check.found for check in evidence.checks] + ["TERBUKTI" if evidence.proved else "TIDAK TERBUKTI"]
    assert [each for each in wanted if each not in shown] == []
    assert ("TIDAK TERBUKTI" in shown) != evidence.proved
    assert asdict(Evidence.parse(made[f"{RUN}.json"]))["key"] in shown
