"""Whether a copy equals its source: the fingerprint that ends a backup, or that of a second copy at the same point."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import asdict

from runbooks.core.errors import NotVerified, SeparuhError
from runbooks.core.evidence import Check, Content
from runbooks.core.run import Run
from runbooks.parts import second
from runbooks.parts.apart import asked
from runbooks.parts.comparison import Difference, compare
from runbooks.parts.findings import keep, record, said, short
from runbooks.parts.fingerprint import Fingerprint, take
from runbooks.parts.throwaway import copy, source

# Which check each part of a fingerprint belongs to.
PARTS = {
    "table": "fingerprint",
    "schema": "schema",
    "databases": "schema",
    "tablespaces": "schema",
    "sequences": "sequences",
    "roles": "roles",
    "extensions": "extensions",
    "settings": "settings",
}
NAMES = tuple(dict.fromkeys(PARTS.values()))
# How it was restored, that it stands alone, and what a member has of its own beside its peer's.
OWN_SETTINGS = (
    *("archive_mode", "archive_command", "listen_addresses", "shared_buffers", "restore_command"),
    *("synchronous_standby_names", "primary_slot_name"),
)
TARGET_SETTINGS = "recovery_target"  # what their names begin with
MOST_CHUNKS = 5  # of those that differ, narrowed to their rows


def compare_with_source(run: Run, within: float) -> None:
    """Compare the fingerprints, and keep a check for each of their parts."""
    found: list[tuple[Fingerprint | None, Fingerprint]] = []
    record(run, "fingerprint", lambda: found.append(_taken(run, within)))
    if not found:
        return  # nothing was compared: the other parts were not checked
    known, copied = found[0]
    seconds = next(check["seconds"] for check in run.recall("checks") if check["name"] == "fingerprint")
    _note_content(run, copied)
    if known is None:
        _tell_uncompared(run, seconds)
        return
    differences = compare(known, copied, tuple(expected(known, copied)))
    chunks = [each for each in differences if each.layout is not None][:MOST_CHUNKS]
    run.remember(
        "differences", [{"layout": asdict(each.layout), "chunk": each.chunk} for each in chunks if each.layout]
    )
    for name in NAMES:
        wrong = short("\n".join(map(str, _of(differences, name))))
        told = _told(run, copied) if name == "fingerprint" else ""
        keep(run, Check(name=name, outcome="failed" if wrong else "passed", found=wrong or told, seconds=seconds))


def expected(known: Fingerprint, found: Fingerprint) -> Iterable[str]:
    """Yield what is meant to differ: how the copy was restored and runs, and the extension that pg_amcheck brings."""
    for name in {*known.parts.get("settings", {}), *found.parts.get("settings", {})}:
        if name in OWN_SETTINGS or name.startswith(TARGET_SETTINGS):
            yield f"settings {name}"
    parts = (*known.parts.get("extensions", {}), *found.parts.get("extensions", {}))
    yield from (f"extensions {name}" for name in parts if name.endswith(": amcheck"))


def _taken(run: Run, within: float) -> tuple[Fingerprint | None, Fingerprint]:
    """Return what the copy is compared with, None if there is nothing, and its own fingerprint, cut alike."""
    if asked(run).kind == "newest":
        known = source(run).fingerprint
        return known, take(copy(run), within, known)
    if not second.backup(run) or second.failed(run):
        return None, take(copy(run), within)
    try:
        other = take(second.host(run), within)
    except SeparuhError as failure:
        raise NotVerified(
            f"the copy from {second.site(run).name}'s repository cannot be read: {said(failure)}"
        ) from None
    return other, take(copy(run), within, other)


def _tell_uncompared(run: Run, seconds: float) -> None:
    """Keep that the copy was compared with nothing: because the other could not be restored, or there is none."""
    failed = second.failed(run)
    why = failed or f"there is nothing to compare it with: {run.recall('alone')}"
    outcome: Check = Check(name=NAMES[0], outcome="failed" if failed else "not compared", found=why, seconds=seconds)
    for check in (outcome, *(Check(name=name, outcome="not compared") for name in NAMES[1:])):
        keep(run, check)


def _note_content(run: Run, copied: Fingerprint) -> None:
    """Note what the copy holds, for evidence of a point that has no stored fingerprint."""
    if asked(run).kind != "newest":
        sha256 = hashlib.sha256(copied.dump().encode()).hexdigest()
        run.remember("content", asdict(Content(tables=len(copied.tables), rows=copied.rows, sha256=sha256)))


def _told(run: Run, copied: Fingerprint) -> str:
    other = second.backup(run) if asked(run).kind != "newest" else None
    equal = f", equal to a copy of {other.label} from {other.repository}" if other else ""
    return f"{len(copied.tables)} tables, {copied.rows} rows{equal}"


def _of(differences: Iterable[Difference], check: str) -> list[Difference]:
    return [each for each in differences if PARTS[each.subject.split(" ", 1)[0]] == check]
