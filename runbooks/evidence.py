"""Evidence checked as an auditor does, with the files and the public key alone; and that key, to give to an auditor."""

from __future__ import annotations

from pathlib import Path

from infra import signing
from runbooks.core.errors import Exit, NotVerified
from runbooks.core.evidence import Evidence, Objective
from runbooks.core.game_day import GameDay, is_one
from runbooks.core.session import open_stack
from runbooks.parts.evidence_files import check, public_key


def verify(file: str, key: str) -> Exit:
    """Check that `file` is as it was signed, and print in few words what it says.

    Needs no stack and no secrets. What was signed may well be that a drill failed: the last lines say so.
    """
    path = Path(file)
    signed = check(path, Path(key) if key else None)
    print(f"{path.name}: unchanged since it was signed")
    print(f"signed by the key {signed.key}")
    if signed.beside:
        print(
            "that key came with the file, so it proves nothing about who signed: compare it with the one you were "
            "given, or pass that one by --key"
        )
    if path.suffix == ".json":
        found = GameDay.parse(signed.content) if is_one(signed.content) else Evidence.parse(signed.content)
        _tell(found, signed.key)
    return Exit.DONE


def show_key(stack: str) -> Exit:
    """Print the public key that checks the stack's evidence, PEM, and its name as a comment."""
    _, secrets = open_stack(stack)
    public = public_key(secrets)
    print(f"# evidence of stack {secrets.stack}, SHA-256 {signing.name_of(public)}\n{public}", end="")
    return Exit.DONE


def _tell(evidence: Evidence | GameDay, key: str) -> None:
    if evidence.key != key:
        raise NotVerified(f"it names another key, {evidence.key}: this signature was put there by somebody else")
    what = _what_fell(evidence) if isinstance(evidence, GameDay) else _what_was_restored(evidence)
    checks = evidence.every_check
    passed = sum(check.outcome == "passed" for check in checks)
    print(
        f"it says: {what} on {evidence.ended_at}: {evidence.verdict.upper()}, {passed} of {len(checks)} checks passed"
    )
    for one in checks:
        if one.outcome != "passed":
            print(f"    {one.name}: {one.outcome}{f': {one.found}' if one.found else ''}")
    if isinstance(evidence, GameDay):
        lost = evidence.customers.lost if evidence.customers else "an unknown number of"
        print(f"RTO {_told(evidence.rto)}, {lost} acknowledged payments lost")
    else:
        print(f"RTO {_told(evidence.rto)}, RPO {_told(evidence.rpo)}")


def _what_was_restored(evidence: Evidence) -> str:
    return (
        f"backup {evidence.backup.label} of stack {evidence.stack}, restored at {evidence.site} to "
        f"{evidence.target or evidence.point.lsn}"
    )


def _what_fell(evidence: GameDay) -> str:
    fault = evidence.fault
    way = f" ({fault.direction})" if fault.direction else ""
    after = f"{evidence.leads} leads now" if evidence.leads else "nobody took over"
    return f"{fault.kind}{way} struck at {fault.site}, which led stack {evidence.stack}; {after},"


def _told(objective: Objective) -> str:
    measured = "not measured" if objective.seconds is None else f"{objective.seconds:.1f} s"
    return f"{measured} (target {objective.target:g} s, {'met' if objective.met else 'missed'})"
