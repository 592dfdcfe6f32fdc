"""Everything once, in the order in which a newcomer wants to see it."""

from __future__ import annotations

from runbooks.backup import backup
from runbooks.core.errors import Exit
from runbooks.core.hint import Screen
from runbooks.core.host import Estate
from runbooks.core.progress import Stopwatch
from runbooks.core.session import open_stack
from runbooks.pay import audited, customers
from runbooks.report import report
from runbooks.restore_drill import restore_drill
from runbooks.seed import seed
from runbooks.status import status
from runbooks.up import up

RATE = 50  # payments a second
AT_MOST = 60  # seconds of payments there must be instalments for


def demo(stack: str, loans: int) -> Exit:
    """Bring the stack up, fill it, back it up while customers pay, prove the backup by a drill, and report.

    Returns the worst of the parts.
    """
    console, watch = Screen(stack), Stopwatch()
    codes = []
    for title, part in (
        ("up", lambda: up(stack, site="", plan=False, yes=True)),
        ("seed", lambda: seed(stack, loans)),
        ("a backup while customers pay", lambda: _backup_under_payments(stack, console)),
        ("a restore drill", lambda: restore_drill(stack)),
        ("status", lambda: status(stack, as_json=False)),
        ("report", lambda: report(stack, runbook="", as_json=False)),
    ):
        console.rule(title)
        began = watch.seconds
        codes.append(part() or Exit.DONE)
        console.print(f"{title}: {watch.seconds - began:.1f} s")
    console.print(f"demo: {watch.seconds:.1f} s in all")
    return max(codes)


def _backup_under_payments(stack: str, console: Screen) -> Exit:
    settings, secrets = open_stack(stack)
    with Estate(settings, secrets) as estate, customers(estate, RATE, AT_MOST) as probe:
        outcome = backup(stack)
        figures = probe.stop()
        audit = audited(estate, probe)
    console.print(f"payments meanwhile: {figures.acknowledged} acknowledged, {figures.failed_requests} failed")
    console.print(f"every acknowledged one is there exactly once: {'yes' if audit.holds else 'NO'}")
    return outcome if audit.holds else Exit.FAILED
