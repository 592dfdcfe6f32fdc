"""The ways to back up that are compared, on a standing stack: each a list of steps, a step a title and what it runs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from infra.images import of_role
from infra.settings import ROOT, Site, container
from runbooks.core.command import Request
from runbooks.core.host import Estate
from runbooks.parts.repositories import cluster, workplace

PGBACKREST = "nice -n 19 pgbackrest --config=/config/pgbackrest.conf"
UID = of_role("db").uid
PASSFILE = "/tmp/bench.pgpass"  # noqa: S108 - a tmpfs of the container's own


@dataclass(frozen=True)
class Way:
    """One way. `commands` is what an operator would type for each step; `sizes` the bytes that came to the stores.

    `before` makes, untimed, what the way begins with.
    """

    name: str
    steps: tuple[tuple[str, Callable[[], Any]], ...]
    commands: tuple[str, ...]
    sizes: Callable[[], int] = field(default=lambda: 0)
    before: Callable[[], Any] = field(default=lambda: None)


class Ways:
    """All ways on one stack. Files of the manual ways lie in `folder` and are removed by the caller."""

    def __init__(self, estate: Estate, folder: Path) -> None:
        """Find the leader, and the place where pgBackRest runs."""
        self.estate, self.folder, self.settings = estate, folder, estate.settings
        self.leader = cluster(estate).leader.name
        self.database = self.settings.cluster
        self.dump = folder / "credit.dump"

    def all(self) -> tuple[Way, ...]:
        """Return every way, the manual baseline first."""
        return (self.manual(), self.runbook(), self.by_hand(), self.basebackup(), self.directory(), self.barman())

    def manual(self) -> Way:
        """pg_dump with its defaults, uploaded to one store after the other, and listed: what is done without a tool."""
        return Way(
            "pg_dump -Fc, two uploads, pg_restore --list",
            (
                ("dump", lambda: self._into(self.dump, self.leader, "pg_dump", "-Fc", self.database)),
                *self._uploads(self.dump),
                ("list", lambda: self._list(self.dump)),
            ),
            (
                f"docker exec {self.leader} pg_dump -Fc {self.database} > credit.dump",
                *(f"aws s3 cp credit.dump s3://{self.settings.bucket(s)}/manual/" for s in self.settings.sites),
                f"docker exec -i {self.leader} pg_restore --list < credit.dump",
            ),
            lambda: 2 * self.dump.stat().st_size,
        )

    def runbook(self) -> Way:
        """Our own, as an operator types it, prechecks and proofs included; no peer takes a fingerprint."""
        typed = "backup --kind full --no-fingerprint"
        verb = [str(ROOT / "inv"), *typed.split(), "--stack", self.settings.stack]
        return Way(f"inv {typed}", (("all", lambda: _run(verb)),), (f"./inv {typed}",))

    def by_hand(self) -> Way:
        """The same two pgBackRest backups, typed one after the other where the runbook runs them."""
        host = workplace(self.estate).name
        lines = [
            f"{PGBACKREST} --stanza={self.database} --repo={n} --type=full --no-expire-auto backup" for n in (1, 2)
        ]
        return Way(
            "two pgbackrest backups by hand",
            tuple((f"repository {n}", _shell(host, line)) for n, line in enumerate(lines, start=1)),
            tuple(f"docker exec {host} {line}" for line in lines),
        )

    def basebackup(self) -> Way:
        """PostgreSQL's own physical backup, compressed by the server as pgBackRest compresses, uploaded twice."""
        file = self.folder / "base.tar.zst"
        what = "-Ft -D - -X fetch -c fast --compress=server-zstd:3 --no-manifest"
        copy = f"pg_basebackup {what} -h /var/run/postgresql -U replicator"
        return Way(
            "pg_basebackup zstd, two uploads",
            (
                ("copy", lambda: self._into(file, self.leader, "sh", "-c", f"PGPASSFILE={PASSFILE} {copy}")),
                *self._uploads(file),
            ),
            (f"docker exec {self.leader} {copy} > base.tar.zst",),
            lambda: 2 * file.stat().st_size,
        )

    def write_passfile(self, place: str = "") -> None:
        """Let pg_basebackup in as the replication role, at the leader or in another container beside its socket.

        The password goes by stdin, to a file in memory.
        """
        line = f"*:*:*:replicator:{self.estate.secrets.password('replicator')}\n"
        write = ("sh", "-c", f"umask 077; cat > {PASSFILE}")
        subprocess.run(["docker", "exec", "-i", place or self.leader, *write], input=line, text=True, check=True)

    def clear(self) -> None:
        """Take away what was put beside the leader."""
        _run(["docker", "exec", self.leader, "rm", "-f", PASSFILE])

    def directory(self) -> Way:
        """A parallel dump: it needs a folder beside the data, and is sent as one tar."""
        file, there = self.folder / "dump.tar", "/data/bench-dump"
        dump = f"rm -rf {there} && pg_dump -Fd -j2 -f {there} {self.database}"
        return Way(
            "pg_dump -Fd -j2, two uploads",
            (
                ("dump", _shell(self.leader, dump)),
                ("fetch", lambda: self._into(file, self.leader, "tar", "-C", there, "-cf", "-", ".")),
                *self._uploads(file),
                ("clear", _shell(self.leader, f"rm -rf {there}")),
            ),
            (f"docker exec {self.leader} sh -c '{dump}'",),
            lambda: 2 * file.stat().st_size,
        )

    def barman(self) -> Way:
        """barman-cloud-backup to one store after the other, in a container of the database's image."""
        return Way(
            "barman-cloud-backup --zstd, twice",
            tuple((f"to {site.name}", partial(self._barman, site)) for site in self.settings.sites),
            (f"barman-cloud-backup --zstd --jobs 2 s3://BUCKET/barman {self.database}",),
        )

    def _uploads(self, file: Path) -> tuple[tuple[str, Callable[[], Any]], ...]:
        return tuple(
            (f"upload to {site.name}", lambda site=site: self._upload(site, file)) for site in self.settings.sites
        )

    def _upload(self, site: Site, file: Path) -> None:
        """Upload in parts, as every S3 tool does."""
        params = {"Filename": str(file), "Bucket": self.settings.bucket(site), "Key": f"manual/{file.name}"}
        self.estate.store(site).do(Request(operation="upload_file", params=params, parse=lambda _: None))

    def _into(self, file: Path, place: str, *argv: str) -> None:
        with file.open("wb") as out:
            subprocess.run(["docker", "exec", place, *argv], stdout=out, check=True)

    def _list(self, file: Path) -> None:
        with file.open("rb") as dump:
            _run(["docker", "exec", "-i", self.leader, "pg_restore", "--list"], stdin=dump)

    def install_barman(self) -> None:
        """Fetch barman's own files; psycopg2 and boto3 are in the database's image."""
        target = ("--target", str(self.folder / "barman"))
        python = ("--python-version", "3.13", "--only-binary", ":all:")  # the image's, not this machine's
        _run([sys.executable, "-m", "pip", "install", "-q", "--no-deps", *python, *target, "barman", "zstandard"])

    def _barman(self, site: Site) -> None:
        key = self.estate.secrets.s3(site.name)
        secret = self.folder / "credentials"
        secret.write_text(f"[default]\naws_access_key_id={key.access_key}\naws_secret_access_key={key.secret_key}\n")
        secret.chmod(0o600)
        os.chown(secret, UID, UID)
        self.folder.chmod(0o711)
        leading = next(s for s in self.settings.sites if container(self.settings, s, "db") == self.leader)
        image = _said(["docker", "inspect", "-f", "{{.Config.Image}}", self.leader])
        main = "import sys; sys.path.insert(0, '/bench/barman'); from barman.clients.cloud_backup import main; main()"
        what = ("--zstd", "--jobs", "2", "-h", "/var/run/postgresql", "-U", "postgres", "--immediate-checkpoint")
        url = f"https://store-1.{site.name}.link:9000"
        volumes = {
            str(self.folder): "/bench:ro",
            f"{self.leader}-data": "/data:ro",
            f"{self.leader}-run": "/var/run/postgresql",
            f"{self.leader}-config": "/config:ro",
        }
        mounts = (word for source, target in volumes.items() for word in ("-v", f"{source}:{target}"))
        files = ("-e", "AWS_SHARED_CREDENTIALS_FILE=/bench/credentials", "-e", "AWS_CA_BUNDLE=/config/ca.crt")
        start = ("docker", "run", "--rm", "--network", f"{self.settings.stack}-link", "--entrypoint", "python3")
        target = ("--endpoint-url", url, f"s3://{self.settings.bucket(site)}/barman", leading.name)
        _run([*start, *mounts, *files, image, "-c", main, *what, *target])


def _shell(place: str, line: str) -> Callable[[], Any]:
    return lambda: _run(["docker", "exec", place, "sh", "-c", line])


def _run(argv: list[str], stdin: Any = subprocess.DEVNULL) -> None:
    ended = subprocess.run(argv, stdin=stdin, capture_output=True, text=True, check=False)
    if ended.returncode:
        sys.exit(f"{' '.join(argv[:6])} … exited {ended.returncode}: {ended.stderr[-1500:]}")


def _said(argv: list[str]) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()
