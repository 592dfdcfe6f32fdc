"""Up to where a database is restored, which backup that takes, and what pgBackRest and PostgreSQL are told of it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from runbooks.adapters.pgbackrest import Backup
from runbooks.adapters.postgres import position
from runbooks.adapters.timelines import Timeline
from runbooks.core.errors import NotReady, SeparuhError

Kind = Literal["newest", "time", "lsn", "xid"]
LSN = re.compile(r"[0-9A-F]{1,8}/[0-9A-F]{1,8}")
WHOLE = timedelta(seconds=1)  # pgBackRest cuts the time at which a backup ended to seconds


@dataclass(frozen=True, kw_only=True)
class Target:
    """A point of the log. `value`: a time in UTC (ISO 8601), an LSN, a transaction's number, or "" for the newest.

    Of a time, all that was committed at it or before it (pg_xact_commit_timestamp <= T) is part of what is restored.
    An LSN and a transaction are where it stops: right before that record, and right before that commit; right behind
    it where the record is to be part of it (`included`), as the last one of the log is.
    """

    kind: Kind = "newest"
    value: str = ""
    included: bool = False

    @property
    def at(self) -> datetime:
        """The time that was asked for; only of a time."""
        return datetime.fromisoformat(self.value)

    def __str__(self) -> str:
        """Say it as an operator would."""
        return {
            "newest": "the newest point that the repository can give back",
            "time": f"{self.value}, with what was committed at that moment",
            "lsn": f"right before {self.value} of the log",
            "xid": f"right before the commit of transaction {self.value}",
        }[self.kind]

    @property
    def options(self) -> tuple[str, ...]:
        """Return what pgBackRest is told of the target; the timeline and the set are told beside it."""
        if self.kind == "newest":
            return ("--type=default",)
        if self.kind == "time":
            return ("--type=time", f"--target={self.at:%Y-%m-%d %H:%M:%S.%f}+00")
        return (f"--type={self.kind}", f"--target={self.value}", *(() if self.included else ("--target-exclusive",)))


def chosen(at: str = "", lsn: str = "", xid: str = "") -> Target:
    """Return the target that an operator's options name, the newest point without any. SeparuhError: a bad one."""
    given = {name: value for name, value in {"at": at, "lsn": lsn, "xid": xid}.items() if value}
    if len(given) > 1:
        raise SeparuhError(f"{' and '.join(f'--{name}' for name in given)}: name one point, not {len(given)}")
    if at:
        return Target(kind="time", value=moment(at).isoformat(timespec="microseconds"))
    if lsn:
        if not LSN.fullmatch(lsn.upper()):
            raise SeparuhError(f"--lsn {lsn}: an LSN is like 0/1C0001D0, as ./inv restore.find prints it")
        return Target(kind="lsn", value=lsn.upper())
    if xid:
        if not xid.isdecimal():
            raise SeparuhError(f"--xid {xid}: a transaction's number is like 74211, as ./inv restore.find prints it")
        return Target(kind="xid", value=str(int(xid)))
    return Target()


def moment(text: str) -> datetime:
    """Return a time that an operator typed, in UTC, which is meant where no offset is given. SeparuhError: no time."""
    try:
        told = datetime.fromisoformat(text)
    except ValueError as error:
        raise SeparuhError(
            f"{text!r} is no time: write it as 2026-11-24T13:10:05Z (UTC where no offset is given)"
        ) from error
    return told.replace(tzinfo=told.tzinfo or UTC).astimezone(UTC)


def before(backup: Backup, target: Target, timeline: Timeline) -> bool:
    """Say whether `backup` is whole before the target is reached, and the target's timeline goes on from it.

    A transaction's number says nothing of when it was committed: look for its LSN first. Of one, any backup will do.
    """
    if not timeline.has(backup.timeline, backup.lsn_stop):
        return False  # made on a timeline that was left behind before it ended: no log leads on from there
    if target.kind == "time":
        return backup.ended_at + WHOLE <= target.at
    if target.kind == "lsn":
        return position(backup.lsn_stop) <= position(target.value)
    return True


def pick(backups: Iterable[Backup], target: Target, timeline: Timeline, label: str = "") -> Backup:
    """Return the newest of one repository's `backups` that leads to the target, or the one named by its label.

    It is to be named to pgBackRest with --set: left to choose, that takes one by time alone. NotReady: there is none.
    """
    held = sorted(backups, key=lambda backup: backup.ended_at)
    if label and label not in [backup.label for backup in held]:
        raise NotReady(f"no backup {label}: ./inv backup.list shows what there is")
    able = [each for each in held if label in ("", each.label) and before(each, target, timeline)]
    if able:
        return able[-1]
    if label:
        raise NotReady(
            f"backup {label} does not lead to {target} on timeline {timeline.number}: it ended later, or "
            "on a timeline that was left behind. Leave --backup out, and one that leads there is taken"
        )
    if not held:
        raise NotReady("no backup at all: ./inv backup.list shows what there is")
    oldest = held[0]
    raise NotReady(
        f"no backup leads to {target} on timeline {timeline.number}: the oldest, {oldest.label}, ended at "
        f"{oldest.ended_at:%Y-%m-%d %H:%M:%S} UTC ({oldest.lsn_stop}, timeline {oldest.timeline}). What was before "
        "the oldest backup cannot be had again from here; ./inv backup.list shows what each site has"
    )
