"""When the last good backup and the last proved drill were: told by the repositories and by signed evidence alone.

No record of a scheduler is looked at, so that a job that never ran is found like one that failed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from infra import signing
from infra.settings import Site
from runbooks.adapters import s3
from runbooks.core import game_day
from runbooks.core.errors import NotVerified
from runbooks.core.evidence import Evidence
from runbooks.core.gather import Silence, gather
from runbooks.core.host import Estate
from runbooks.parts.evidence_files import SIGNATURE, public_key
from runbooks.parts.kept_evidence import PREFIX
from runbooks.parts.repositories import inventory

WITHIN = 90.0  # seconds; a store that is silent keeps pgBackRest waiting


@dataclass(frozen=True, kw_only=True)
class Freshness:
    """Hours since the last good backup by site, and since the last proved drill; None where there is none.

    `problems` are what is later than agreed or could not be found out.
    """

    backups: Mapping[str, float | None]
    drill: float | None
    problems: tuple[str, ...] = field(default=())


def look(estate: Estate, now: datetime | None = None) -> Freshness:
    """Ask both repositories and both stores at once."""
    settings, moment = estate.settings, now or datetime.now(UTC)
    questions = {("backup", site.name): partial(last_backup, estate, site) for site in settings.sites}
    questions |= {("drill", site.name): partial(last_proved, estate, site) for site in settings.sites}
    answers = gather(questions, WITHIN)
    problems = [
        f"{name}: the last {what} cannot be found out: {answer.why.strip().splitlines()[-1].strip()}"
        for (what, name), answer in answers.items()
        if isinstance(answer, Silence)
    ]
    backups = {}
    for site in settings.sites:
        answer = answers["backup", site.name]
        backups[site.name] = None if isinstance(answer, Silence) else _hours(answer, moment)
        if not isinstance(answer, Silence):
            problems += _late(f"{site.name}: good backup", backups[site.name], settings.backup.age_limit_hours)
    proved = [answers["drill", site.name] for site in settings.sites]
    known = [answer for answer in proved if isinstance(answer, datetime)]
    drill = _hours(max(known, default=None), moment)
    if not all(isinstance(answer, Silence) for answer in proved):
        problems += _late("proved drill", drill, settings.drill.age_limit_hours)
    return Freshness(backups=backups, drill=drill, problems=tuple(problems))


def last_backup(estate: Estate, site: Site) -> datetime | None:
    """Return when the newest backup in `site`'s repository ended, of those without a damaged page."""
    held = inventory(estate, [site])
    number = estate.settings.repository(site)
    if number in held.faults:
        raise NotVerified(held.faults[number])
    return max((backup.ended_at for backup in held.of(number) if not backup.damaged), default=None)


def last_proved(estate: Estate, site: Site) -> datetime | None:
    """Return when the newest drill ended that `site`'s store has proof of.

    NotVerified where evidence there, newer than that, is not as the stack signed it.
    """
    store, bucket = estate.store(site), estate.settings.bucket(site)
    public = public_key(estate.secrets)
    keys: list[str] = []
    while page := store.ask(s3.keys(bucket, PREFIX, keys[-1] if keys else "")):
        keys += page
    for key in sorted((key for key in keys if key.endswith(".json")), reverse=True):
        content = store.ask(s3.get(bucket, key))
        if not signing.holds(public, content, store.ask(s3.get(bucket, key + SIGNATURE))):
            raise NotVerified(f"{key} is NOT what the stack signed: who has put it there?")
        if game_day.is_one(content):
            continue  # it proves no backup
        evidence = Evidence.parse(content)
        if evidence.stack == estate.settings.stack and evidence.proved:
            return datetime.fromisoformat(evidence.ended_at)
    return None


def _hours(ended: datetime | None, now: datetime) -> float | None:
    return None if ended is None else round((now - ended).total_seconds() / 3600, 2)


def _late(what: str, hours: float | None, limit: int) -> list[str]:
    if hours is None:
        return [f"{what}: none yet"]
    return [f"{what}: {hours:.1f} h ago, agreed are {limit} h"] if hours > limit else []
