"""Every verb an operator has, by name. Each parses its options and hands over to `runbooks/<verb>.py`.

Nothing heavy is imported here: `inv --list` answers at once.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

from invoke import Collection, Context, task

HELP = {"-h", "--help"}  # Invoke takes it for the operand of a verb that has one
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
    if HELP & {value for value in options.values() if isinstance(value, str)}:
        typed = [word for word in sys.argv if word not in HELP]
        os.execv(sys.executable, [sys.executable, *typed[:-1], "--help", typed[-1]])  # noqa: S606 - what was typed
    outcome = importlib.import_module("runbooks.core.outcome")
    module, _, function = verb.partition(".")

    def carry_out() -> Any:
        return getattr(importlib.import_module(f"runbooks.{module}"), function or module)(**options)

    outcome.end(carry_out, debug, options.get("stack", ""))


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


@task(help=STACK | JSON | {"watch": "again and again, until Ctrl-C"})
def status(c: Context, stack: str = "", json: bool = False, watch: bool = False, debug: bool = False) -> None:
    """Show members, roles, sync, lag, the way of the payments, stores, age of backups, lease and last runs.

    Exit 0 healthy, 7 degraded, 3 not up.

    Example: inv status --stack staging --json
    """
    del c
    call("status", debug, stack=stack, as_json=json, watch=watch)


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
        "at": "a moment to restore to, 2026-11-24T13:10:05Z, and not a backup's fingerprint",
        "lsn": "a point of the log to restore to, 0/1C0001D0",
        "as_of": "read the repository as its bucket held it at this moment, whatever was deleted since",
    }
)
def restore_drill(
    c: Context,
    stack: str = "",
    site: str = "",
    from_: str = "",
    backup: str = "",
    as_of: str = "",  # before `at`, or its short flag would be its hyphen
    at: str = "",
    lsn: str = "",
    plan: bool = False,
    resume: bool = False,
    debug: bool = False,
) -> None:
    """Restore a backup into a throwaway database, prove what it holds, time it, and leave signed evidence.

    Serving is not touched. Exit 0 proved, 6 not proved or not done, 7 sound, but with nothing to compare it with: the
    evidence and the message say what was found.

    Example: inv restore-drill --site sby --from jkt
    """
    del c
    given = {"site": site, "origin": from_, "backup": backup, "at": at, "lsn": lsn, "as_of": as_of}
    call("restore_drill", debug, stack=stack, plan=plan, resume=resume, **given)


@task(
    help=STACK
    | PLAN
    | RESUME
    | {
        "from_": "the site whose repository is left (else the one whose key is given)",
        "at": "the time as of which to restore, 2026-11-24T13:10:05Z (else the newest point)",
        "ca": "a file with the certificate of the authority that signs for that store, where it is one of our own",
    }
)
def bootstrap(
    c: Context,
    stack: str = "",
    from_: str = "",
    at: str = "",
    ca: str = "",
    plan: bool = False,
    resume: bool = False,
    debug: bool = False,
) -> None:
    """Found the estate anew on fresh machines, out of one site's repository and with your identity alone.

    The store's key is read from the AWS credentials file, section [<stack>-<site>], or from AWS_ACCESS_KEY_ID and
    AWS_SECRET_ACCESS_KEY.

    Example: inv bootstrap --stack prod --from sby
    """
    del c
    call("bootstrap", debug, stack=stack, origin=from_, at=at, authority=ca, plan=plan, resume=resume)


@task(
    default=True,
    help=STACK
    | PLAN
    | RESUME
    | {
        "at": "the time to restore to, with what was committed at it (UTC unless it has an offset)",
        "xid": "restore to right before this transaction",
        "lsn": "restore to right before the record at this LSN",
        "timeline": "along this timeline (else the one that is served, or the newest that a repository knows)",
        "backup": "begin with this backup (else with the newest that leads there)",
        "from_": "whose repository to restore from (else that site's own)",
        "site": "where to restore (else where the leader is)",
        "table": "this table alone, into the running database under another name",
        "anyway": "restore the newest point although a member that runs has it",
        "confirm": "the stack's name, where nobody can be asked",
    },
)
def restore(
    c: Context,
    stack: str = "",
    at: str = "",
    xid: str = "",
    lsn: str = "",
    timeline: str = "",
    backup: str = "",
    from_: str = "",
    site: str = "",
    table: str = "",
    anyway: bool = False,
    confirm: str = "",
    plan: bool = False,
    resume: bool = False,
    debug: bool = False,
) -> None:
    """Restore the whole cluster: to the newest point, a time, or right before a record or a transaction.

    Customers are kept out until the restored database is proved; the old data is kept (`inv restore.release`).

    Example: inv restore --xid 74211 --plan
    """
    del c
    options = {"at": at, "xid": xid, "lsn": lsn, "timeline": timeline, "backup": backup, "from": from_, "site": site}
    options |= {"table": table, "anyway": "yes" if anyway else ""}
    call("restore", debug, stack=stack, options=options, confirm=confirm, plan=plan, resume=resume)


@task(
    name="find",
    help=STACK
    | JSON
    | {
        "around": "the moment (UTC unless it has an offset)",
        "minutes": "how far to look to either side of it",
        "table": "only what changed this table",
        "from_": "whose repository to read (else the first that can be read)",
    },
)
def restore_find(
    c: Context,
    around: str,
    stack: str = "",
    minutes: float = 5.0,
    table: str = "",
    from_: str = "",
    json: bool = False,
    debug: bool = False,
) -> None:
    """List what was committed around a moment, from the archived log: time, transaction, LSN, tables and rows.

    Example: inv restore.find --around 2026-11-24T13:10 --minutes 2 --table public.payment
    """
    del c
    options = {"around": around, "minutes": minutes, "table": table, "origin": from_}
    call("restore_find.find", debug, stack=stack, as_json=json, **options)


@task(
    name="release",
    positional=["run"],
    help=STACK
    | PLAN
    | RESUME
    | {
        "run": "the restore whose old data is to go (one that is none shows what is kept)",
        "confirm": "the stack's name, where nobody can be asked",
    },
)
def restore_release(
    c: Context,
    run: str,
    stack: str = "",
    confirm: str = "",
    plan: bool = False,
    resume: bool = False,
    debug: bool = False,
) -> None:
    """Remove the old data that a restore has kept, at both members, for good.

    Example: inv restore.release 20261124T131403Z-restore-1a2b3c
    """
    del c
    call("restore.release", debug, stack=stack, run=run, confirm=confirm, plan=plan, resume=resume)


@task(
    help=STACK
    | PLAN
    | YES
    | RESUME
    | {
        "to": "the site that is to lead",
        "back": "to where the leader was before the last",
        "pay": "make so many payments a second meanwhile, and tell what their customers saw",
    }
)
def switchover(
    c: Context,
    stack: str = "",
    to: str = "",
    back: bool = False,
    pay: int = 0,
    plan: bool = False,
    yes: bool = False,
    resume: bool = False,
    debug: bool = False,
) -> None:
    """Move the leader to the other site while customers pay.

    Example: inv switchover --to sby
    """
    del c
    call("switchover", debug, stack=stack, to=to, back=back, pay=pay, plan=plan, yes=yes, resume=resume)


@task(
    help=STACK
    | PLAN
    | RESUME
    | {
        "to": "the site that is to lead",
        "fenced": "places that you have seen switched off, and that stay so until rejoin: bdg or jkt,bdg",
        "pay": "make so many payments a second at that site's gateway meanwhile, and tell what their customers saw",
        "confirm": "the stack's name, where nobody can be asked",
    }
)
def failover(
    c: Context,
    stack: str = "",
    to: str = "",
    fenced: str = "",
    pay: int = 0,
    confirm: str = "",
    plan: bool = False,
    resume: bool = False,
    debug: bool = False,
) -> None:
    """Let a site lead because you say so: the other site is sick, or two of the three places are gone.

    It says what may be lost, fences what answers, and names what does not. Exit 7: it serves, at one site.

    Example: inv failover --to sby --plan
    """
    del c
    call("failover", debug, stack=stack, to=to, fenced=fenced, pay=pay, confirm=confirm, plan=plan, resume=resume)


@task(
    positional=["place"],
    help=STACK
    | PLAN
    | RESUME
    | {
        "place": "the site, or the witness, that comes back",
        "clone": "make its database anew, from a repository, even where it could be rewound",
    },
)
def rejoin(
    c: Context,
    place: str,
    stack: str = "",
    clone: bool = False,
    plan: bool = False,
    resume: bool = False,
    debug: bool = False,
) -> None:
    """Let a lost site come back as a healthy standby, or the witness as a voter, while customers pay.

    Example: inv rejoin jkt
    """
    del c
    call("rejoin", debug, stack=stack, place=place, clone=clone, plan=plan, resume=resume)


@task(
    name="failover",
    help=STACK
    | PLAN
    | YES
    | RESUME
    | {
        "kind": "what falls: the leader's site, its container (leader), its link, or its PostgreSQL (process)",
        "direction": "of a link: both, or only what is sent in to the site or out of it",
        "rate": "payments a second meanwhile, over both gateways",
        "check_both": "write to both sides by every path, to see that there are never two leaders",
        "confirm": "the stack's name, which a production stack asks for",
    },
)
def drill_failover(
    c: Context,
    kind: str = "",
    stack: str = "",
    direction: str = "",
    rate: int = 50,
    check_both: bool = True,
    confirm: str = "",
    plan: bool = False,
    yes: bool = False,
    resume: bool = False,
    debug: bool = False,
) -> None:
    """Hold a game day: strike the leader while customers pay, see the estate recover by itself, keep the evidence.

    Exit 0 survived within the target, 7 survived but later, 6 not survived as it should be. Whatever becomes of the
    runner, the fault is lifted after separuh:failover.fault_seconds; --resume lifts it at once.

    Example: inv drill.failover --kind site
    """
    del c
    options = {"kind": kind, "direction": direction, "rate": rate, "check_both": check_both, "confirm": confirm}
    call("drill.failover", debug, stack=stack, plan=plan, yes=yes, resume=resume, **options)


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


@task(
    name="render",
    help=STACK
    | {
        "kind": "systemd, cron, github or gitlab (else all)",
        "out": "the folder to write into (else .separuh/<stack>/schedule)",
        "checkout": "where the checkout is on the machine that runs the jobs (else where this one is)",
        "user": "whose jobs they are there (else yours)",
    },
)
def schedule_render(
    c: Context,
    stack: str = "",
    kind: str = "",
    out: str = "",
    checkout: str = "",
    user: str = "",
    debug: bool = False,
) -> None:
    """Write the job files for the nightly backup, the drill behind it and the alarm when they are missing.

    Example: inv schedule.render --stack prod --kind systemd --out /tmp/units
    """
    del c
    call("schedule.render", debug, stack=stack, kind=kind, out=out, checkout=checkout, user=user)


@task(name="check", help=STACK | JSON)
def schedule_check(c: Context, stack: str = "", json: bool = False, debug: bool = False) -> None:
    """Say how old the last good backups and the last proved drill are. Exit 0 as agreed, 6 later or not known.

    Example: inv schedule.check --json
    """
    del c
    call("schedule.check", debug, stack=stack, as_json=json)


@task(
    name="run",
    help=STACK
    | {"job": "backup, drill or check", "jitter": "wait for a random part of so many seconds first (default 0)"},
)
def schedule_run(c: Context, job: str, stack: str = "", jitter: int = 0, debug: bool = False) -> None:
    """Run a job as a scheduler does: wait for another run's lease, and tell whoever is to know of a failure.

    Exit codes are the job's own: 7, done but degraded, is a warning.

    Example: inv schedule.run --job backup --jitter 600
    """
    del c
    call("schedule.run", debug, stack=stack, job=job, jitter=jitter)


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


ns = Collection(
    *(up, down, status, seed, pay, report, lease, demo, test, check),
    *(restore_drill, bootstrap, switchover, failover, rejoin),
)
for name, verbs in {
    "backup": (backup, backup_list, backup_verify),
    "restore": (restore, restore_find, restore_release),
    "runs": (runs, runs_show),
    "hosts": (hosts_up, hosts_down),
    "secrets": (secrets_fetch, secrets_wrap),
    "evidence": (evidence_verify, evidence_key),
    "drill": (drill_failover,),
    "schedule": (schedule_render, schedule_check, schedule_run),
}.items():
    ns.add_collection(Collection(name, *verbs))
