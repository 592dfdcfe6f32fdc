"""Evidence checked as an auditor does, with the files and the public key alone; and that key, to give to an auditor."""

from __future__ import annotations

from pathlib import Path

from infra import signing
from runbooks.core.errors import Exit, NotVerified
from runbooks.core.evidence import Evidence, Objective
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
        _tell(Evidence.parse(signed.content), signed.key)
    return Exit.DONE


def show_key(stack: str) -> Exit:
    """Print the public key that checks the stack's evidence, PEM, and its name as a comment."""
    _, secrets = open_stack(stack)
    public = public_key(secrets)
    print(f"# evidence of stack {secrets.stack}, SHA-256 {signing.name_of(public)}\n{public}", end="")
    return Exit.DONE


def _tell(evidence: Evidence, key: str) -> None:
    if evidence.key != key:
        raise NotVerified(f"it names another key, {evidence.key}: this signature was put there by somebody else")
    checks = evidence.every_check
    passed = [check for check in checks if check.outcome == "passed"]
    print(
        f"it says: backup {evidence.backup.label} of stack {evidence.stack}, restored at {evidence.site} to "
        f"{evidence.point.lsn} on {evidence.ended_at}: {'PROVED' if evidence.proved else 'NOT PROVED'}, "
        f"{len(passed)} of {len(checks)} checks passed"
    )
    for one in checks:
        if one.outcome != "passed":
            print(f"    {one.name}: {one.outcome}{f': {one.found}' if one.found else ''}")
    print(f"RTO {_told(evidence.rto)}, RPO {_told(evidence.rpo)}")


def _told(objective: Objective) -> str:
    measured = "not measured" if objective.seconds is None else f"{objective.seconds:.1f} s"
    return f"{measured} (target {objective.target:g} s, {'met' if objective.met else 'missed'})"
