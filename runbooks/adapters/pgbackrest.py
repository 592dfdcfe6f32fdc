"""pgBackRest: its commands, and what it says of its repositories. Runs in a site's `backup` container."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from runbooks.core.command import Command
from runbooks.core.errors import SeparuhError

Kind = Literal["full", "diff", "incr"]
KINDS: tuple[Kind, ...] = ("full", "diff", "incr")
CONFIG = "/config/pgbackrest.conf"
PATH = "pgbackrest"
ANNOTATION = "run"

# Exit codes, as its errors are numbered: another holds the repository's lock in this container; nobody leads, or the
# server is on a timeline that its control file does not know yet. The last two are the first moments after a promotion.
LOCK_HELD = 50
NO_PRIMARY = 56
OTHER_TIMELINE = 58
READABLE = (0, 2)  # statuses of a repository: whole, and without a backup yet


@dataclass(frozen=True, kw_only=True)
class Backup:
    """One backup in one repository. Sizes in bytes: of the database, and of what this backup added to the repository.

    `wal_start` and `wal_stop` are the segments without which it cannot be restored. `damaged`: pages with a wrong
    checksum were found. `run` is the id of the run that made it, "" for one made by hand.
    """

    repository: int
    label: str
    kind: Kind
    started_at: datetime
    ended_at: datetime
    database_bytes: int
    repository_bytes: int
    wal_start: str
    wal_stop: str
    damaged: bool
    run: str = ""

    @property
    def seconds(self) -> float:
        """How long it took, in whole seconds as pgBackRest counts."""
        return (self.ended_at - self.started_at).total_seconds()


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """What the repositories hold. `running`: a backup runs in this container now.

    `faults` says by repository what keeps it from being read; a repository without a stanza is one of them.
    """

    backups: tuple[Backup, ...]
    faults: dict[int, str]
    running: bool

    def of(self, repository: int) -> tuple[Backup, ...]:
        """Return one repository's backups, oldest first."""
        return tuple(sorted((b for b in self.backups if b.repository == repository), key=lambda b: b.ended_at))


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What `verify` found in one repository after reading every file. `faults` name what is wrong, one line each."""

    wal_checked: int
    wal_valid: int
    backups: dict[str, str]
    faults: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Whether every segment and every finished backup is whole."""
        return not self.faults


def version() -> Command[str]:
    """Ask which version it is: whether its container answers at all."""
    return Command(argv=("pgbackrest", "version"), parse=lambda output: output.split()[-1], within=10)


def info(stanza: str, repository: int | None = None) -> Command[Inventory]:
    """Ask what the repositories hold, or one of them alone."""
    return Command(argv=(*program(stanza, repository), "--output=json", "info"), parse=_inventory, within=60)


def backup(stanza: str, repository: int, kind: Kind, run: str, processes: int, within: float) -> Command[str]:
    """Back up to one repository with so many processes, at the lowest priority, and note the run's id in the backup.

    Expiring is left to a step of its own. Two repositories may be written at the same time (locks are by repository).
    """
    options = (f"--type={kind}", f"--process-max={processes}", f"--annotation={ANNOTATION}={run}", "--no-expire-auto")
    return Command(argv=("nice", "-n", "19", *program(stanza, repository), *options, "backup"), within=within)


def expire(stanza: str, repository: int) -> Command[str]:
    """Remove what is past its retention from one repository."""
    return Command(argv=("nice", "-n", "19", *program(stanza, repository), "expire"), within=900)


def stanza_create(stanza: str) -> Command[str]:
    """Make the stanza in both repositories; where it is there already nothing changes."""
    return Command(argv=(*program(stanza), "stanza-create"), within=120)


def check(stanza: str) -> Command[str]:
    """Prove that a segment switched now reaches both repositories."""
    return Command(argv=(*program(stanza), "check"), within=150)


def verify(stanza: str, repository: int, within: float) -> Command[Audit]:
    """Read every file of one repository and check it. Without the text output it says nothing at all."""
    argv = ("nice", "-n", "19", *program(stanza, repository), "--output=text", "--verbose", "verify")
    return Command(argv=argv, parse=_audit, within=within)


def manifest(stanza: str, label: str) -> str:
    """Return the key of a backup's manifest in its bucket: what no restore can do without."""
    return f"{PATH}/backup/{stanza}/{label}/backup.manifest"


def archived(stanza: str, major: int) -> str:
    """Return the prefix in the bucket under which the segments of the stanza's current cluster lie."""
    return f"{PATH}/archive/{stanza}/{major}-"


def segment(key: str) -> str:
    """Return the name of the segment that an archived object holds, "" for a timeline's history and the like."""
    found = _SEGMENT.search(key)
    return found[1] if found else ""


def timeline(key: str) -> int:
    """Return the timeline of an archived object, a segment's or a history's."""
    return int(key.rpartition("/")[2][:8], 16)


def program(stanza: str, repository: int | None = None) -> tuple[str, ...]:
    """Return the beginning of each of its command lines, for both repositories or one."""
    chosen = (f"--repo={repository}",) if repository else ()
    # Without it what went wrong stands among the answers, and no failure carries its reason.
    return ("pgbackrest", f"--config={CONFIG}", f"--stanza={stanza}", *chosen, "--log-level-stderr=warn")


def _inventory(output: str) -> Inventory:
    if not (stanzas := json.loads(output)):
        return Inventory(backups=(), faults={}, running=False)
    (stanza,) = stanzas
    return Inventory(
        backups=tuple(_backup(entry) for entry in stanza["backup"]),
        faults={
            repo["key"]: repo["status"]["message"] for repo in stanza["repo"] if repo["status"]["code"] not in READABLE
        },
        running=stanza["status"]["lock"]["backup"]["held"],
    )


def _backup(entry: dict[str, Any]) -> Backup:
    return Backup(
        repository=entry["database"]["repo-key"],
        label=entry["label"],
        kind=entry["type"],
        started_at=datetime.fromtimestamp(entry["timestamp"]["start"], UTC),
        ended_at=datetime.fromtimestamp(entry["timestamp"]["stop"], UTC),
        database_bytes=entry["info"]["size"],
        repository_bytes=entry["info"]["repository"]["delta"],
        wal_start=entry["archive"]["start"] or "",
        wal_stop=entry["archive"]["stop"] or "",
        damaged=bool(entry["error"]),
        run=entry.get("annotation", {}).get(ANNOTATION, ""),
    )


_SEGMENT = re.compile(r"/([0-9A-F]{24})-[0-9a-f]{40}(\.\w+)?$")
_ARCHIVE = re.compile(r"archiveId: (\S+), total WAL checked: (\d+), total valid WAL: (\d+)")
_BACKUP = re.compile(r"backup: (\S+), status: ([^,]+),")
_COUNTS = re.compile(r"(missing|checksum invalid|size invalid|other): ([1-9]\d*)")
_WHOLE = ("valid", "in-progress")  # one that was broken off is not listed, and the next backup clears it away


def _audit(output: str) -> Audit:
    """Parse what `verify` says. It exits 0 whatever it finds, and does not see a segment that is not there."""
    if not output.startswith("stanza:"):
        raise SeparuhError(f"pgbackrest verify said nothing to go by:\n{output.strip()}")
    checked = valid = 0
    backups: dict[str, str] = {}
    faults: list[str] = []
    subject = "stanza"
    for line in output.splitlines():
        if archive := _ARCHIVE.search(line):
            subject = f"archive {archive[1]}"
            checked, valid = checked + int(archive[2]), valid + int(archive[3])
        elif found := _BACKUP.search(line):
            subject = f"backup {found[1]}"
            backups[found[1]] = found[2]
            if found[2] not in _WHOLE:
                faults.append(f"{subject} is {found[2]}")
        faults += [f"{subject}: {count} files {fault}" for fault, count in _COUNTS.findall(line)]
    return Audit(wal_checked=checked, wal_valid=valid, backups=backups, faults=tuple(faults))
