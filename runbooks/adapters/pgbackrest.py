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

    `wal_start` and `wal_stop` are the segments without which it cannot be restored, `lsn_stop` the point from which on
    what is restored is consistent. `damaged`: pages with a wrong checksum were found. `run` is the id of the run that
    made it, "" for one made by hand.
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
    lsn_start: str = "0/0"
    lsn_stop: str = "0/0"

    @property
    def seconds(self) -> float:
        """How long it took, in whole seconds as pgBackRest counts."""
        return (self.ended_at - self.started_at).total_seconds()

    @property
    def timeline(self) -> int:
        """The timeline on which it ended."""
        return int(self.wal_stop[:8] or "0", 16)


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


def info(stanza: str, repository: int | None = None, as_of: str = "") -> Command[Inventory]:
    """Ask what the repositories hold, or one of them alone, if wanted as it was."""
    argv = (*program(stanza, repository, as_of), "--output=json", "info")
    return Command(argv=argv, parse=_inventory, within=60)


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


def label_of(key: str) -> str:
    """Return the label of the finished backup whose manifest an object is, "" if it is something else."""
    found = _MANIFEST.search(key)
    return found[1] if found else ""


def is_list(key: str) -> bool:
    """Say whether an object lists what there is, of which a repository has one each, with its copy."""
    return bool(_LISTS.search(key))


def begun(label: str) -> datetime:
    """Return when a backup began, to the second, in the UTC of every container."""
    return datetime.strptime(label[-16:-1], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)


def needs(label: str, key: str, put: datetime) -> bool:
    """Say whether a backup needs an object put at a moment: its own, its full's, the log since it began, the lists.

    No expiry removes any of these while the backup is kept.
    """
    folders = {label, label[:16]}
    since = f"/{PATH}/archive/" in f"/{key}" and put >= begun(label)
    return since or is_list(key) or any(f"/{folder}/" in key for folder in folders)


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


def program(stanza: str, repository: int | None = None, as_of: str = "") -> tuple[str, ...]:
    """Return the beginning of each of its command lines, for both repositories or one.

    `as_of` (ISO 8601 in UTC, cut to seconds) reads one as its versioned bucket held it then, whatever was deleted.
    """
    chosen = (f"--repo={repository}",) if repository else ()
    before = (f"--repo-target-time={datetime.fromisoformat(as_of):%Y-%m-%d %H:%M:%S}+00",) if as_of else ()
    # Without it what went wrong stands among the answers, and no failure carries its reason.
    return ("pgbackrest", f"--config={CONFIG}", f"--stanza={stanza}", *chosen, *before, "--log-level-stderr=warn")


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
        lsn_start=entry["lsn"]["start"],
        lsn_stop=entry["lsn"]["stop"],
    )


_MANIFEST = re.compile(r"/(\d{8}-\d{6}F(?:_\d{8}-\d{6}[DI])?)/backup\.manifest$")
_LISTS = re.compile(r"/(archive|backup)\.info(\.copy)?$")
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
