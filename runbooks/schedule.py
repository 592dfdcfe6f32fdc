"""Nightly by itself: the files that a scheduler needs, a job as it runs there, and the alarm when one did not run."""

from __future__ import annotations

import getpass
import json
import random
import subprocess
import sys
import time
from collections import deque
from dataclasses import asdict
from pathlib import Path

from infra.identity import identity_file
from infra.sections import Schedule
from infra.settings import ROOT
from runbooks.core.errors import Exit, NotVerified, SeparuhError
from runbooks.core.host import Estate
from runbooks.core.notice import ping, tell
from runbooks.core.session import open_stack, settings_of
from runbooks.core.signals import Interrupted, deaf, interruptible
from runbooks.parts.freshness import Freshness, look
from runbooks.parts.job_files import KINDS
from runbooks.parts.jobs import JOBS, Job, Machine

AGAIN_SECONDS = 60.0  # between two tries for the lease
LAST_LINES = 15  # of what a failed job said, in the notice
WELL = (Exit.DONE, Exit.DEGRADED)


def render(stack: str, kind: str = "", out: str = "", checkout: str = "", user: str = "") -> None:
    """Write the job files of one `kind` of scheduler, else of all, into the folder `out`.

    Paths in them are of `checkout`, the user is `user`; by default those of whoever calls.
    """
    settings = settings_of(stack)
    if kind and kind not in KINDS:
        raise SeparuhError(f"no kind of scheduler {kind!r}: it is one of {', '.join(KINDS)}, or left out for all")
    machine = Machine(
        checkout=Path(checkout or ROOT),
        user=user or getpass.getuser(),
        identity=identity_file().absolute(),
        secrets=Path("/etc/separuh") / settings.stack,
    )
    for each in [kind] if kind else KINDS:
        folder = Path(out or ROOT / ".separuh" / settings.stack / "schedule") / ("" if kind and out else each)
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in KINDS[each](settings, machine).items():
            (folder / name).write_text(text)
            print(folder / name)


def check(stack: str, as_json: bool = False) -> Exit:
    """Say how long ago the last good backups and the last proved drill were.

    NotVerified (6) where one is later than agreed, is missing, or cannot be found out: the alarm.
    """
    settings, secrets = open_stack(stack)
    with Estate(settings, secrets) as estate:
        found = look(estate)
    if as_json:
        print(json.dumps({"stack": settings.stack, **asdict(found)}, indent=2))
    else:
        _show(found)
    if found.problems:
        raise NotVerified("\n".join((f"stack {settings.stack} is not as well kept as was agreed:", *found.problems)))
    return Exit.DONE


def run(stack: str, job: str, jitter: int = 0) -> int:
    """Run a job as a scheduler does, up to `jitter` seconds later, and return its exit code.

    While another run holds the lease it is tried again. Who is to know is told of a failure; degraded is none.
    """
    if job not in JOBS:
        raise SeparuhError(f"no job {job!r}: it is one of {', '.join(JOBS)}")
    settings = settings_of(stack)
    plan, chosen = settings.schedule, JOBS[job]
    argv = (str(ROOT / "inv"), *chosen.verb, "--stack", settings.stack)
    said: deque[str] = deque(maxlen=LAST_LINES)
    with interruptible():
        try:
            time.sleep(random.uniform(0, jitter))  # noqa: S311 - nothing depends on its being guessed
            code = _persistently(argv, plan, said)
        except Interrupted as error:
            said.append(str(error))
            code = Exit.FAILED
    with deaf():
        missed = _report(settings.stack, plan, chosen, code, said)
    for line in missed:
        print(line, file=sys.stderr)
    return code


def _persistently(argv: tuple[str, ...], plan: Schedule, said: deque[str]) -> int:
    """Run it until it ends in another way than by finding the lease held, or the time to wait for that is over."""
    deadline = time.monotonic() + plan.lease_wait_seconds
    while (code := _once(argv, said)) == Exit.LEASE_HELD and time.monotonic() < deadline:
        time.sleep(min(AGAIN_SECONDS, max(0.0, deadline - time.monotonic())))
    return code


def _once(argv: tuple[str, ...], said: deque[str]) -> int:
    """Run a program, pass on what it says and keep the end of it. Interrupted, it is told to end and waited for."""
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout
        try:
            for line in process.stdout:
                text = line.decode(errors="replace")
                print(text, end="", flush=True)
                said.append(text.rstrip())
        except Interrupted:
            with deaf():
                process.terminate()
                said += process.stdout.read().decode(errors="replace").splitlines()
            raise
    return process.returncode if process.returncode >= 0 else Exit.FAILED


def _report(stack: str, plan: Schedule, job: Job, code: int, said: deque[str]) -> list[str]:
    """Tell of a failure; of a check that found all in time tell the service that waits for it."""
    if code in WELL:
        return ping(plan) if job.name == "check" and code == Exit.DONE else []
    text = "\n".join((f"separuh: {job.title} of stack {stack} failed with exit {code}", *said))
    return tell(plan, {"text": text, "stack": stack, "job": job.name, "exit": int(code)})


def _show(found: Freshness) -> None:
    ages = {f"{site}: last good backup": hours for site, hours in found.backups.items()}
    for what, hours in {**ages, "last proved drill": found.drill}.items():
        print(f"{what}: {'none' if hours is None else f'{hours:.1f} h ago'}")
