"""The files by which each kind of scheduler is told of the jobs. What a job owes is done by `inv schedule.run`."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from infra.settings import Settings
from runbooks.parts.jobs import JOBS, Job, Machine

HOURLY = "17 * * * *"  # at a minute that few others choose
DEGRADED = """\
if [ "$code" -eq 7 ]; then
  echo "::warning::{title} of stack {stack} is done, but degraded: the log says why"
  exit 0
fi
exit "$code\""""


def systemd(settings: Settings, machine: Machine) -> dict[str, str]:
    """Return a service and a timer for each job."""
    made, plan = {}, settings.schedule
    for job in JOBS.values():
        at = "*-*-* *:17:00 UTC" if job.hourly else f"*-*-* {_at(settings, job)}:00 UTC"
        values = {"job": job, "stack": settings.stack, "hours": plan.job_hours, "jitter": plan.jitter_seconds}
        name = f"separuh-{settings.stack}-{job.name}"
        machine_s = {"user": machine.user, "checkout": str(machine.checkout), "files": machine.files}
        made[f"{name}.service"] = _render("service", **values, **machine_s)
        made[f"{name}.timer"] = _render("timer", **values, calendar=at)
    return made


def cron(settings: Settings, machine: Machine) -> dict[str, str]:
    """Return one file with a line a job. cron has no jitter and no time zone: the job waits, and the hour is local."""
    when = {job.name: HOURLY if job.hourly else _local(_at(settings, job)) for job in JOBS.values()}
    text = _render(
        "cron",
        stack=settings.stack,
        user=machine.user,
        files=machine.files,
        zone=f"{datetime.now(UTC).astimezone():%z}",
        times=" and ".join(_at(settings, job) for job in JOBS.values() if not job.hourly),
        jobs=[(job, when[job.name]) for job in JOBS.values()],
        line=partial(_line, settings, machine),
    )
    return {f"separuh-{settings.stack}": text}


def github(settings: Settings, machine: Machine) -> dict[str, str]:
    """Return a workflow. Its checkout is the runner's, so nothing of `machine` is in it."""
    nightly = _cron(settings.schedule.backup_at)
    scheduled = {True: HOURLY, False: nightly}
    ending = partial(DEGRADED.format, stack=settings.stack)

    def condition(job: Job) -> str:
        asked = f"github.event.schedule == '{scheduled[job.hourly]}' || inputs.job == '{_pipeline(job)}'"
        return f"${{{{ !cancelled() && ({asked}) }}}}" if job.name == "drill" else f"${{{{ {asked} }}}}"

    script = partial(_script, settings, "printf '%s\\n' \"$SEPARUH_IDENTITY\"", lambda job: ending(title=job.title))
    return {f"separuh-{settings.stack}.yml": _pipelines("github.yml", settings, condition, script)}


def gitlab(settings: Settings, machine: Machine) -> dict[str, str]:
    """Return jobs to include. GitLab keeps the times itself: the file's head says which to enter."""

    def condition(job: Job) -> str:
        return f'$CI_PIPELINE_SOURCE == "schedule" && $SEPARUH_JOB == "{_pipeline(job)}"'

    script = partial(_script, settings, 'cat "$SEPARUH_IDENTITY"', lambda job: 'exit "$code"')
    return {f"separuh-{settings.stack}.gitlab-ci.yml": _pipelines("gitlab.yml", settings, condition, script)}


KINDS: Mapping[str, Callable[[Settings, Machine], dict[str, str]]] = {
    "systemd": systemd,
    "cron": cron,
    "github": github,
    "gitlab": gitlab,
}


def _pipelines(template: str, settings: Settings, condition: Callable[[Job], str], script: Callable[[Job], str]) -> str:
    plan = settings.schedule
    return _render(
        template,
        stack=settings.stack,
        nightly=_cron(plan.backup_at),
        hourly=HOURLY,
        hours=plan.job_hours,
        jobs=list(JOBS.values()),
        condition=condition,
        script=script,
    )


def _script(settings: Settings, identity: str, ending: Callable[[Job], str], job: Job) -> str:
    """Return what a pipeline's shell runs: none of them has jitter, so the job waits by itself."""
    jitter = settings.schedule.jitter_seconds
    values = {"stack": settings.stack, "identity": identity, "jitter": jitter, "ending": ending(job)}
    return _render("ci.sh", job=job, **values).strip()


def _line(settings: Settings, machine: Machine, job: Job) -> str:
    """Return a job's command in a crontab, where % would end the line. Its output goes beside the run's journal."""
    log = f".separuh/{settings.stack}/{job.name}.log"
    jitter = settings.schedule.jitter_seconds
    run = f"./inv schedule.run --job {job.name} --stack {settings.stack} --jitter {jitter}"
    enter = f"cd {shlex.quote(str(machine.checkout))} && mkdir -p .separuh/{settings.stack}"
    return f"{enter} && {run} >> {log} 2>&1".replace("%", r"\%")


def _at(settings: Settings, job: Job) -> str:
    return settings.schedule.drill_at if job.name == "drill" else settings.schedule.backup_at


def _pipeline(job: Job) -> str:
    """Return the name of the pipeline that a job belongs to: in the nightly one the drill follows the backup."""
    return "check" if job.hourly else "nightly"


def _cron(at: str) -> str:
    hour, minute = at.split(":")
    return f"{int(minute)} {int(hour)} * * *"


def _local(at: str) -> str:
    """Return a crontab's five fields for a time in UTC, in the time of this machine."""
    hour, minute = map(int, at.split(":"))
    return _cron(f"{datetime.now(UTC).replace(hour=hour, minute=minute).astimezone():%H:%M}")


def _specifier(text: str) -> str:
    """Keep systemd from reading a % of ours."""
    return text.replace("%", "%%")


def _quoted(text: str) -> str:
    """Return one word of a unit file."""
    return '"{}"'.format(text.replace("\\", "\\\\").replace('"', '\\"'))


def _render(template: str, **values: object) -> str:
    return _ENVIRONMENT.get_template(f"{template}.j2").render(**values)


# Nothing here is HTML: the readers are systemd, cron and YAML's parsers.
_ENVIRONMENT = Environment(  # noqa: S701
    loader=FileSystemLoader(Path(__file__).parent.parent / "templates" / "schedule"),
    undefined=StrictUndefined,
    keep_trailing_newline=True,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters |= {"specifier": _specifier, "quoted": _quoted}
