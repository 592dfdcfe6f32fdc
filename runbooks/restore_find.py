"""Find what was committed around a moment, in the archived log: where to let a restore stop."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta

from rich.console import Console
from rich.table import Table

from infra.settings import Site
from runbooks.adapters import pgbackrest, wal
from runbooks.adapters.postgres import position
from runbooks.adapters.timelines import Timeline
from runbooks.adapters.wal import Change, Commit
from runbooks.core.errors import Exit, NotReady, SeparuhError
from runbooks.core.hint import Screen
from runbooks.core.host import Estate, Host
from runbooks.core.leader import leader
from runbooks.core.session import open_stack
from runbooks.parts import lines
from runbooks.parts.repositories import archive, archived, dated
from runbooks.parts.target import moment

MOST_SEGMENTS = 64  # of 16 MiB, fetched at once onto the site's disk
MOST_LINES = 100  # on a terminal
LOOKED_BACK = 32
CLOCKS = timedelta(seconds=10)  # by which a store's clock and a database's may differ
UPKEEP = ("pg_catalog.", "information_schema.")


def find(stack: str, around: str, minutes: float, table: str = "", origin: str = "", as_json: bool = False) -> Exit:
    """List the commits from `minutes` before `around` to as long after it, of `table` alone where one is named."""
    if minutes <= 0:
        raise SeparuhError(f"--minutes {minutes:g}: how far to look to either side, more than 0")
    settings, secrets = open_stack(stack)
    at, span = moment(around), timedelta(minutes=minutes)
    with Estate(settings, secrets) as estate:
        sites = [settings.site(origin)] if origin else list(settings.sites)
        site, host = _reader(estate, sites)
        line, segments = _log(estate, site, host)
        wanted = _window(estate, site, segments, at - span, at + span)
        question = wal.commits(archive(settings, site), wanted, at - span, at + span)
        commits: list[Commit] = host.ask(question) if wanted else []
        newest = host.ask(wal.newest_commit(archive(settings, site), segments[: -LOOKED_BACK - 1 : -1]))
        names = _names(estate)
    told = [commit for commit in (_named(each, names) for each in _of_line(line, commits)) if _changes(commit, table)]
    if as_json:
        print(json.dumps(_dump(site, newest, told), indent=2))
    else:
        _show(Screen(settings.stack), site, newest, told)
    return Exit.DONE


def _reader(estate: Estate, sites: Iterable[Site]) -> tuple[Site, Host]:
    """Return the first site whose backup container can read its own repository. NotReady: none can."""
    said = []
    for site in sites:
        host = estate.member(site, "backup")
        try:
            if fault := host.ask(pgbackrest.info(estate.settings.cluster, estate.settings.repository(site))).faults:
                raise NotReady("; ".join(fault.values()))
        except SeparuhError as failure:
            said.append(f"{site.name}: {failure}")
            continue
        return site, host
    raise NotReady("\n".join(("no repository can be read", *said)))


def _log(estate: Estate, site: Site, host: Host) -> tuple[Timeline, list[str]]:
    """Return the newest timeline that the repository knows, and the segments that lead along it, in order."""
    keys = archived(estate, site)
    sites = sorted(estate.settings.sites, key=lambda each: each != site)
    line = lines.timeline(estate.settings, host, lines.newest(keys), sites)
    return line, line.along(filter(None, map(pgbackrest.segment, keys)))


def _window(estate: Estate, site: Site, segments: list[str], start: datetime, end: datetime) -> list[str]:
    """Return the segments that can hold a commit from `start` to `end`. NotReady: there are too many.

    A segment is stored after all that is in it was committed. The one behind the last is read too, as a record may
    reach into it.
    """
    stored = {pgbackrest.segment(key): at for key, at in dated(estate, site).items()}
    first = max((n + 1 for n, name in enumerate(segments) if stored[name] < start - CLOCKS), default=0)
    last = next((n + 1 for n, name in enumerate(segments) if n >= first and stored[name] > end + CLOCKS), len(segments))
    wanted = segments[first : last + 1]
    if len(wanted) > MOST_SEGMENTS:
        raise NotReady(
            f"{len(wanted)} segments were archived in that time, more than are read at once ({MOST_SEGMENTS}): look "
            "with fewer --minutes around a moment that you know better"
        )
    return wanted


def _of_line(line: Timeline, commits: Iterable[Commit]) -> list[Commit]:
    """Return the commits that are part of the timeline, once each, in the order of the log."""
    found = {commit.lsn: commit for commit in commits if line.has(commit.timeline, commit.lsn)}
    return sorted(found.values(), key=lambda commit: position(commit.lsn))


def _names(estate: Estate) -> Mapping[str, str]:
    """Return the table to which each file belongs now, nothing where no database can say."""
    try:
        return leader(estate).ask(wal.relations(estate.settings.cluster))
    except SeparuhError:
        return {}


def _named(commit: Commit, names: Mapping[str, str]) -> Commit:
    changes = tuple(
        Change(kind=each.kind, relation=names.get(each.relation, f"file {each.relation}"), rows=each.rows)
        for each in commit.changes
    )
    told = tuple(each for each in changes if not each.relation.startswith(UPKEEP))
    return Commit(timeline=commit.timeline, at=commit.at, xid=commit.xid, lsn=commit.lsn, changes=told)


def _changes(commit: Commit, table: str) -> bool:
    """Say whether it changed `table`, named with its schema or without; any will do where none is named."""
    return not table or any(table in (each.relation, each.relation.partition(".")[2]) for each in commit.changes)


def _dump(site: Site, newest: datetime | None, commits: list[Commit]) -> dict[str, object]:
    return {
        "site": site.name,
        "newest": newest.isoformat() if newest else None,
        "commits": [asdict(commit) | {"at": commit.at.isoformat()} for commit in commits],
    }


def _show(console: Console, site: Site, newest: datetime | None, commits: list[Commit]) -> None:
    shown = commits
    if len(commits) > MOST_LINES:
        shown = sorted(sorted(commits, key=_rows)[-MOST_LINES:], key=lambda commit: position(commit.lsn))
    table = Table("committed (UTC)", "xid", "lsn", "rows", "what")
    for commit in shown:
        what = ", ".join(f"{each.kind} {each.relation} {each.rows}" for each in commit.changes)
        table.add_row(f"{commit.at:%m-%d %H:%M:%S.%f}", str(commit.xid), commit.lsn, str(_rows(commit)), what)
    if not console.is_terminal:
        console.width = 200
    console.print(table if commits else "nothing was committed then, as far as the archive goes")
    if len(commits) > len(shown):
        console.print(f"of {len(commits)} commits the {len(shown)} that changed most; --json has them all")
    until = f"{newest:%Y-%m-%d %H:%M:%S.%f} UTC" if newest else "not known"
    console.print(f"{site.name}: the newest commit in its archive: {until}")
    if commits:
        console.print("to restore to right before one of them: ./inv restore --xid XID --plan (or --lsn LSN)")


def _rows(commit: Commit) -> int:
    return sum(each.rows for each in commit.changes)
