"""Every verb an operator has, by name. Each parses its options and hands over to `runbooks/<verb>.py`.

Nothing heavy is imported here: `inv --list` answers at once.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

from invoke import Collection, Context, task

STACK = {"stack": "the stack (else SEPARUH_STACK, else dev)", "debug": "show tracebacks"}
HOSTS = STACK | {"stack": "the stack whose places they are (else staging)"}
PLAN = {"plan": "show what would be done, with expected seconds a step; change nothing"}
YES = {"yes": "do not ask (for pipelines)"}
RESUME = {"resume": "only finish, or undo, what a dead run left"}
JSON = {"json": "print JSON"}
BACKUP = {
    "kind": "full, diff or incr (else by policy)",
    "fingerprint": "take what a restore drill compares with; without it no longer than the copies",
}


def call(verb: str, debug: bool, **options: Any) -> None:
    """Call the function that `verb` ("module" or "module.function") names in `runbooks`, and exit with its code."""
    outcome = importlib.import_module("runbooks.core.outcome")
    module, _, function = verb.partition(".")
    outcome.end(lambda: getattr(importlib.import_module(f"runbooks.{module}"), function or module)(**options), debug)


@task(help=STACK | PLAN | YES | {"site": "bring up this site alone, when the other cannot be reached"})
def up(c: Context, stack: str = "", site: str = "", plan: bool = False, yes: bool = False, debug: bool = False) -> None:
    """Bring the stack up, or mend what differs from what is declared.

    Example: inv up --stack dev --plan
    """
    del c
    call("up", debug, stack=stack, site=site, plan=plan, yes=yes)


@task(help=STACK | PLAN | {"volumes": "remove the data too; asks for the stack's name", "confirm": "the stack's name"})
def down(
    c: Context, stack: str = "", volumes: bool = False, confirm: str = "", plan: bool = False, debug: bool = False
) -> None:
    """Remove the stack's containers and networks; its data only with --volumes and the stack's name typed.

    Example: inv down --stack dev --volumes --confirm dev
    """
    del c
    call("down", debug, stack=stack, volumes=volumes, confirm=confirm, plan=plan)


@task(help=STACK | JSON)
def status(c: Context, stack: str = "", json: bool = False, debug: bool = False) -> None:
    """Show members, roles, sync, lag, stores, age of backups and the lease. Exit 0 healthy, 7 degraded, 3 not up.

    Example: inv status --stack staging --json
    """
    del c
    call("status", debug, stack=stack, as_json=json)


@task(help=STACK | PLAN | RESUME | {"loans": "how many loans to have"})
def seed(
    c: Context,
    stack: str = "",
    loans: int = 100_000,
    plan: bool = False,
    resume: bool = False,
    debug: bool = False,
) -> None:
    """Fill the stack's database with plausible accounts, loans and payments.

    Example: inv seed --loans 100000
    """
    del c
    call("seed", debug, stack=stack, loans=loans, plan=plan, resume=resume)


@task(help=STACK | JSON | {"rate": "payments a second, over both gateways", "seconds": "how long"})
def pay(
    c: Context, stack: str = "", rate: int = 200, seconds: int = 30, json: bool = False, debug: bool = False
) -> None:
    """Make payments as customers do, then check that each acknowledged one is there exactly once.

    Example: inv pay --rate 200 --seconds 30
    """
    del c
    call("pay", debug, stack=stack, rate=rate, seconds=seconds, as_json=json)


@task(default=True, help=STACK | PLAN | YES | RESUME | BACKUP)
def backup(
    c: Context,
    stack: str = "",
    kind: str = "",
    fingerprint: bool = True,
    plan: bool = False,
    yes: bool = False,
    resume: bool = False,
    debug: bool = False,
) -> None:
    """Back up to both sites' stores, prove it listed, complete and locked.

    Example: inv backup --kind full
    """
    del c
    call("backup", debug, stack=stack, kind=kind, fingerprint=fingerprint, plan=plan, yes=yes, resume=resume)


@task(name="list", help=STACK | JSON)
def backup_list(c: Context, stack: str = "", json: bool = False, debug: bool = False) -> None:
    """List the backups in both repositories.

    Example: inv backup.list --json
    """
    del c
    call("backup.list_backups", debug, stack=stack, as_json=json)


@task(name="verify", help=STACK)
def backup_verify(c: Context, stack: str = "", debug: bool = False) -> None:
    """Read every file of every backup in both repositories and check it.

    Example: inv backup.verify
    """
    del c
    call("backup.verify_backups", debug, stack=stack)


@task(
    help=STACK
    | PLAN
    | RESUME
    | {
        "site": "where to make the copy (else where a standby is)",
        "from_": "whose repository to restore from (else that site's own)",
        "backup": "the label of the backup (else the newest there)",
    }
)
def restore_drill(
    c: Context,
    stack: str = "",
    site: str = "",
    from_: str = "",
    backup: str = "",
    plan: bool = False,
    resume: bool = False,
    debug: bool = False,
) -> None:
    """Restore a backup into a throwaway database, prove what it holds, time it, and leave signed evidence.

    Serving is not touched. Exit 0 proved, 6 not proved or not done: the evidence and the message say what was found.

    Example: inv restore-drill --site sby --from jkt
    """
    del c
    call("restore_drill", debug, stack=stack, site=site, origin=from_, backup=backup, plan=plan, resume=resume)


@task(default=True, help=STACK | JSON)
def runs(c: Context, stack: str = "", json: bool = False, debug: bool = False) -> None:
    """List the runs in the ledger, merged over this machine and both stores.

    Example: inv runs --json
    """
    del c
    call("runs.list_runs", debug, stack=stack, as_json=json)


@task(name="show", positional=["id"], help=STACK | {"id": "the run, as `inv runs` lists it (its beginning is enough)"})
def runs_show(c: Context, id: str, stack: str = "", debug: bool = False) -> None:  # noqa: A002 - the option's name
    """Show one run, step by step.

    Example: inv runs.show 20261122T1631
    """
    del c
    call("runs.show", debug, stack=stack, run_id=id)


@task(help=STACK | JSON | {"runbook": "this runbook alone"})
def report(c: Context, stack: str = "", runbook: str = "", json: bool = False, debug: bool = False) -> None:
    """Compare the time of each runbook and step with its measured baseline, and with the target: half.

    Example: inv report --runbook backup
    """
    del c
    call("report", debug, stack=stack, runbook=runbook, as_json=json)


@task(help=STACK | {"forget": "the id of a dead run that can be neither finished nor undone"})
def lease(c: Context, stack: str = "", forget: str = "", debug: bool = False) -> None:
    """Show which run holds the stack's lease, and which dead run waits to be resumed.

    Example: inv lease
    """
    del c
    call("lease", debug, stack=stack, forget=forget)


@task(name="up", help=HOSTS)
def hosts_up(c: Context, stack: str = "staging", debug: bool = False) -> None:
    """Start three Debian hosts as containers, each with sshd and its own engine, for `staging`.

    Example: inv hosts.up
    """
    del c
    call("hosts.up", debug, stack=stack)


@task(name="down", help=HOSTS)
def hosts_down(c: Context, stack: str = "staging", debug: bool = False) -> None:
    """Remove the test hosts and all that is on them.

    Example: inv hosts.down
    """
    del c
    call("hosts.down", debug, stack=stack)


@task(name="fetch", help=STACK)
def secrets_fetch(c: Context, stack: str = "", debug: bool = False) -> None:
    """Bring the stack's sealed secrets to this machine from its stores, and open them with your identity.

    Example: inv secrets.fetch
    """
    del c
    call("secrets.fetch", debug, stack=stack)


@task(name="wrap", help=STACK)
def secrets_wrap(c: Context, stack: str = "", debug: bool = False) -> None:
    """Write a passphrase-wrapped copy of the identity that opens the secrets, for the worst day.

    It is put into both stores too. The passphrase is asked on the terminal, or read from stdin.

    Example: inv secrets.wrap
    """
    del c
    call("secrets.wrap", debug, stack=stack)


@task(
    name="verify",
    positional=["file"],
    help={
        "file": "the evidence: a .json or .html with its .sig beside it",
        "key": "the public key (PEM) that you were given; else evidence.pub beside the file",
        "debug": "show tracebacks",
    },
)
def evidence_verify(c: Context, file: str, key: str = "", debug: bool = False) -> None:
    """Check that evidence is as it was signed, as an auditor does: no stack and no secrets are needed.

    Exit 0 unchanged, 6 not what was signed, 3 a file is missing. What it says may still be that a restore failed.

    Example: inv evidence.verify 20261122T131403Z-restore-drill-1a2b3c.json --key separuh-prod.pub
    """
    del c
    call("evidence.verify", debug, file=file, key=key)


@task(name="key", help=STACK)
def evidence_key(c: Context, stack: str = "", debug: bool = False) -> None:
    """Print the public key that checks the stack's evidence, to give to an auditor.

    Example: inv evidence.key --stack prod > separuh-prod.pub
    """
    del c
    call("evidence.show_key", debug, stack=stack)


@task(help={"quick": "no engine, under a minute", "all": "the long repetitions too", "k": "only tests that match this"})
def test(c: Context, quick: bool = False, all: bool = False, k: str = "") -> None:  # noqa: A002 - the option's name
    """Run the tests; the drills start a stack of their own, `test`.

    Example: inv test --quick
    """
    del c
    importlib.import_module("runbooks.checks").run_tests(quick, all, k)


@task
def check(c: Context) -> None:
    """Run formatter, linter and type checker: what every commit must pass.

    Example: inv check
    """
    del c
    sys.exit(min(importlib.import_module("runbooks.checks").check(), 1))


@task(help=STACK | {"loans": "how many loans to fill in"})
def demo(c: Context, stack: str = "", loans: int = 20_000, debug: bool = False) -> None:
    """Show it all: up, seed, back up while payments flow, prove it by a restore drill, status, report.

    Example: inv demo
    """
    del c
    call("demo", debug, stack=stack, loans=loans)


ns = Collection(up, down, status, seed, pay, restore_drill, report, lease, demo, test, check)
for name, verbs in {
    "backup": (backup, backup_list, backup_verify),
    "runs": (runs, runs_show),
    "hosts": (hosts_up, hosts_down),
    "secrets": (secrets_fetch, secrets_wrap),
    "evidence": (evidence_verify, evidence_key),
}.items():
    ns.add_collection(Collection(name, *verbs))
