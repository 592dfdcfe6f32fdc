"""The point that is restored to, the timeline that it lies on, and the log that leads there from the backup."""

from __future__ import annotations

from dataclasses import asdict, replace
from itertools import pairwise

from runbooks.adapters import pgbackrest, wal
from runbooks.adapters.timelines import Timeline
from runbooks.core.errors import NotReady
from runbooks.core.host import Host
from runbooks.core.run import Run
from runbooks.parts import target
from runbooks.parts.places import here, kept, origin
from runbooks.parts.repositories import archive, archived
from runbooks.parts.target import Target


def asked(run: Run) -> Target:
    """Return what the operator asked for."""
    given = run.arguments
    return target.chosen(given.get("at", ""), given.get("lsn", ""), given.get("xid", ""))


def wanted(run: Run) -> Target:
    """Return the target as far as it is known: a transaction becomes the place of its commit once that is found."""
    return Target(**run.recall("target"))


def line(run: Run) -> Timeline:
    """Return the timeline that is restored along."""
    noted = run.recall("timeline")
    return Timeline(number=noted["number"], left=tuple((number, lsn) for number, lsn in noted["left"]))


def reader(run: Run) -> Host:
    """Return the container in which the archive is read, and pgBackRest restores."""
    return run.estate.member(here(run), "backup")


def led(run: Run) -> bool:
    """Say whether a database took writes when the restore was ordered: then its last words can still be archived."""
    return bool(run.recall("led"))


def settle(run: Run) -> None:
    """Turn the newest point into the place of the log's last record, so that recovery can be held there."""
    if wanted(run).kind != "newest" or run.planning:
        return
    site = origin(run)
    question = wal.newest(archive(run.settings, site), log(run)[::-1], f"{kept(run)}/pg_wal")
    if not (end := reader(run).ask(question)):
        raise NotReady(f"{site.name}: not one whole record in the log behind backup {run.recall('label')}")
    run.remember("target", asdict(replace(Target(kind="lsn", value=end.lsn), included=True)))


def log(run: Run) -> list[str]:
    """Return the segments behind the chosen backup, up to the first that is missing.

    NotReady where one is missing and the newest point is wanted.
    """
    first = number_of(run.recall("first"))
    names = [name for name in segments(run) if number_of(name) >= first]
    for before, name in pairwise(names):
        if number_of(name) == number_of(before) + 1:
            continue
        if wanted(run).kind == "newest":
            raise NotReady(
                f"{origin(run).name}: segments are missing behind {before} (the next is {name}): only what was before "
                "can be had from there. Name a point before it, or another repository with --from"
            )
        return names[: names.index(name)]
    return names


def segments(run: Run) -> list[str]:
    """Return all that leads along the timeline in the repository that is restored from, in order."""
    names = filter(None, map(pgbackrest.segment, archived(run.estate, origin(run))))
    return line(run).along(names)


def number_of(segment: str) -> int:
    return (int(segment[8:16], 16) << 8) + int(segment[16:], 16)


def say(run: Run, line: str) -> None:
    """Tell the operator."""
    run.estate.console.print(line)
