"""The ways to restore, and to prove a backup, that are compared; each restores into a container and volume of its own.

Where there is a choice a peer gets the better of it: what is dumped is restored from this machine's disk, the empty
server stands already, and no peer compares more than it does by itself.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench.backup_ways import PASSFILE, UID, Way, Ways, _run, _shell
from infra.settings import ROOT, Site, container
from runbooks.adapters import pgbackrest, restored, s3, scratch
from runbooks.core.command import Request
from runbooks.core.host import Estate, Host
from runbooks.parts.repositories import cluster

WITHIN = 3600.0
HOST_FOLDER = "/bench"  # where this machine's folder is in a scratch container
TMPFS = ("/tmp", "/run/postgresql")  # noqa: S108 - inside the container
# The database's image has no zstd of its own; barman's brings one.
_ZSTD = f"""python3 -c "import sys; sys.path.insert(0, '{HOST_FOLDER}/barman'); import zstandard as z; %s" """
PACK = _ZSTD % "z.ZstdCompressor(level=3, threads=2).copy_stream(sys.stdin.buffer, sys.stdout.buffer)"
UNPACK = _ZSTD % "z.ZstdDecompressor().copy_stream(sys.stdin.buffer, sys.stdout.buffer)"
COUNTS = """
SELECT format('SELECT %L, count(*) FROM %s', c.oid::regclass, c.oid::regclass) FROM pg_class c
 WHERE c.relkind = 'r' AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
 ORDER BY 1
\\gexec
"""
# As the stack's members: a scratch server is not to lose by its settings.
SERVER = "-c shared_buffers=256MB -c max_wal_size=2GB -c listen_addresses=127.0.0.1 -c archive_mode=off"


class RestoreWays:
    """All ways on one stack, at the site where a standby is, from that site's store; files lie in `folder`."""

    def __init__(self, estate: Estate, folder: Path) -> None:
        """Find the site; nothing is made yet."""
        self.estate, self.folder, self.settings = estate, folder, estate.settings
        self.ways = Ways(estate, folder)
        standby = cluster(estate).standbys[0].name
        self.site: Site = next(s for s in self.settings.sites if container(self.settings, s, "db") == standby)
        self.name = f"{self.settings.stack}-{self.site.name}-bench"
        self.path = self.settings.database.path
        self.dump = self.ways.dump

    @property
    def engine(self) -> Host:
        """The machine of the site's engine."""
        return self.estate.place(self.site)

    @property
    def copy(self) -> Host:
        """The scratch container."""
        return self.estate.named(self.site, self.name)

    def all(self) -> tuple[Way, ...]:
        """Return every way: proof the manual way, our own, and three bare restores."""
        return (self.manual(), self.ours(), self.by_hand(), self.barman(), self.combine())

    def manual(self) -> Way:
        """What is done without a tool: dump, upload twice, restore into an empty server, count each table's rows."""
        manual = self.ways.manual()
        return Way(
            "by hand: pg_dump -Fc, two uploads, pg_restore -j2, row counts",
            (*manual.steps[:-1], ("restore", self._restore_dump), ("count rows", self._count_rows)),
            (
                *manual.commands[:-1],
                f"pg_restore -j2 -d {self.settings.cluster} credit.dump",
                "psql: SELECT count(*) of every table, here and there",
            ),
            before=self._empty_server,
        )

    def ours(self) -> Way:
        """Our own, as an operator types it."""
        typed = {"backup": ("backup", "--kind", "full"), "restore-drill": ("restore-drill", "--site", self.site.name)}
        stack = ("--stack", self.settings.stack)
        steps = tuple((name, partial(_run, [str(ROOT / "inv"), *verb, *stack])) for name, verb in typed.items())
        commands = tuple(" ".join(("./inv", *verb)) for verb in typed.values())
        return Way("inv backup, inv restore-drill", steps, commands)

    def by_hand(self) -> Way:
        """The restore of the drill, typed: pgBackRest into an empty volume, started to consistency, and pg_amcheck."""
        number = self.settings.repository(self.site)
        tool = " ".join(pgbackrest.program(self.settings.cluster, number))
        how = "--type=immediate --target-action=promote --archive-mode=off"
        line = f"mkdir -p -m 0700 {self.path} && {tool} {how} restore"
        return Way(
            "pgbackrest restore by hand",
            (
                ("restore", _shell(self.name, line)),
                ("start", self._start),
                ("pg_amcheck", lambda: self.copy.do(restored.amcheck(WITHIN))),
            ),
            (line, "pg_ctl start", "pg_amcheck --all --heapallindexed"),
            before=self._scratch,
        )

    def barman(self) -> Way:
        """barman-cloud-restore of what `prepare` backed up, started to consistency by what is archived."""
        return Way(
            "barman-cloud-restore",
            (("restore", self._barman), ("start", self._start_from_archive)),
            (f"barman-cloud-restore s3://BUCKET/barman SERVER BACKUP {self.path}", "pg_ctl start"),
            before=self._scratch,
        )

    def _barman(self) -> None:
        there = f"import sys; sys.path.insert(0, '{HOST_FOLDER}/barman')"
        main = f"{there}; from barman.clients.cloud_restore import main; main()"
        bucket, server = self.settings.bucket(self.site), self._leader_site().name
        prefix = f"barman/{server}/base/"
        held: list[str] = self.estate.store(self.site).ask(s3.keys(bucket, prefix))
        newest = max(held).removeprefix(prefix).split("/")[0]
        url = f"https://store-1.{self.site.name}:9000"
        files = ("-e", f"AWS_SHARED_CREDENTIALS_FILE={HOST_FOLDER}/credentials", "-e", "AWS_CA_BUNDLE=/config/ca.crt")
        _run(["docker", "exec", self.name, "mkdir", "-p", "-m", "0700", self.path])
        what = ("--endpoint-url", url, f"s3://{bucket}/barman", server, newest, self.path)
        _run(["docker", "exec", *files, self.name, "python3", "-c", main, *what])

    def combine(self) -> Way:
        """PostgreSQL's own: a full and an incremental copy from the store, combined and started."""
        files = ("full", "incremental")
        unpack = " && ".join(
            f"mkdir -m 0700 /data/{f} && {UNPACK} < {HOST_FOLDER}/{f}.tar.zst | tar -xf - -C /data/{f}" for f in files
        )
        combine = (
            f"mkdir -p -m 0700 {Path(self.path).parent} && pg_combinebackup /data/full /data/incremental -o {self.path}"
        )
        return Way(
            "pg_combinebackup of a full and an incremental",
            (
                ("download", lambda: self._download(*(self.folder / f"{name}.tar.zst" for name in files))),
                ("unpack", _shell(self.name, unpack)),
                ("combine", _shell(self.name, combine)),
                ("start", self._start),
            ),
            ("aws s3 cp, twice", "zstd -d | tar -x, twice", combine, "pg_ctl start"),
            before=self._scratch,
        )

    # -- what the ways need before they are timed

    def prepare(self) -> None:
        """Make, untimed, what the bare restores start from: barman's backup, and a full and an incremental copy."""
        self.ways.install_barman()
        self.ways._barman(self.site)
        leader, name = self.ways.leader, self.name
        self._scratch((f"{leader}-run:/var/run/postgresql",), ("/tmp",))  # noqa: S108 - inside the container
        self.ways.write_passfile(name)
        _sql(leader, "ALTER SYSTEM SET summarize_wal = on", "SELECT pg_reload_conf()")
        try:
            self._base("full", "")
            _sql(leader, "SELECT pg_logical_emit_message(false, 'bench', repeat('x', 1000))")
            self._base("incremental", "--incremental=/data/full/backup_manifest")
        finally:
            _sql(leader, "ALTER SYSTEM RESET summarize_wal", "SELECT pg_reload_conf()")

    def _base(self, name: str, more: str) -> None:
        """Copy the leader, as plain files with their manifest, and keep them in the store as one compressed tar."""
        there, file = f"/data/{name}", self.folder / f"{name}.tar.zst"
        what = f"-Fp -D {there} -X stream -c fast {more} -h /var/run/postgresql -U replicator"
        _run(["docker", "exec", self.name, "sh", "-c", f"PGPASSFILE={PASSFILE} pg_basebackup {what}"])
        self.ways._into(file, self.name, "sh", "-c", f"tar -C {there} -cf - . | {PACK}")
        self.ways._upload(self.site, file)

    def clear(self) -> None:
        """Take away all that was made beside the stack."""
        self.engine.do(scratch.remove((self.name,), (f"{self.name}-data",)))

    def _scratch(self, more: Sequence[str] = (), tmpfs: Sequence[str] = TMPFS) -> None:
        """Make an empty volume, and a container on it with the walls that a drill's has."""
        beside = container(self.settings, self.site, "backup")
        self.engine.do(scratch.remove((self.name,), (f"{self.name}-data",)))
        self.engine.do(scratch.make_volume(f"{self.name}-data", {}))
        shape = scratch.Shape(
            name=self.name,
            image=self.engine.ask(scratch.image_of(beside)),
            user=UID,
            memory=self.settings.member("db").memory,
            cpu_shares=self.settings.member("backup").cpu_shares,
            network=f"{self.settings.stack}-{self.site.name}",
            mounts=(f"{self.name}-data:/data", f"{beside}-config:/config:ro", f"{self.folder}:{HOST_FOLDER}:ro", *more),
            labels={},
            tmpfs=tmpfs,
        )
        self.engine.do(scratch.make(shape, "sleep", "infinity"))
        self.engine.do(scratch.start_container(self.name))

    def _empty_server(self) -> None:
        self._scratch()
        made = f"mkdir -p {Path(self.path).parent} && initdb -D {self.path} -U postgres --auth=trust --data-checksums"
        _run(["docker", "exec", self.name, "sh", "-c", f"{made} --encoding=UTF8 --locale=C.UTF-8"])
        self._start()
        _sql(self.name, "CREATE ROLE credit LOGIN", f"CREATE DATABASE {self.settings.cluster} OWNER credit")

    def _start(self, more: str = "") -> None:
        """Start the server and wait until it takes writes."""
        script = restored._START
        argv = ["sh", "-c", script, "sh", self.path, f"{WITHIN:g}", restored.LOG]
        alone = f"{SERVER} -c synchronous_standby_names= {more}"
        _run(["docker", "exec", self.name, *argv, alone])

    def _start_from_archive(self) -> None:
        tool = " ".join(pgbackrest.program(self.settings.cluster, self.settings.repository(self.site)))
        _run(["docker", "exec", self.name, "touch", f"{self.path}/recovery.signal"])
        fetch = f"{tool} archive-get %f %p"
        options = f"-c restore_command='{fetch}' -c recovery_target=immediate -c recovery_target_action=promote"
        self._start(options)

    def _restore_dump(self) -> None:
        restore = ["pg_restore", "-j2", "-U", "postgres", "-h", "/var/run/postgresql", "-d", self.settings.cluster]
        _run(["docker", "exec", self.name, *restore, f"{HOST_FOLDER}/{self.dump.name}"])

    def _count_rows(self) -> None:
        """Count every table's rows in the copy and in the leader, as those do who count."""
        here, there = (self._counts(name) for name in (self.name, self.ways.leader))
        if not here or here != there:
            sys.exit(f"the counts differ: {sorted(here.items() ^ there.items())}")

    def _counts(self, place: str) -> dict[str, str]:
        argv = ["docker", "exec", "-i", place, "psql", "-XAtq", "-U", "postgres", "-d", self.settings.cluster]
        ended = subprocess.run(argv, input=COUNTS, capture_output=True, text=True, check=True)
        return dict(line.split("|") for line in ended.stdout.splitlines())

    def _download(self, *files: Path) -> None:
        for file in files:
            params = {"Bucket": self.settings.bucket(self.site), "Key": f"manual/{file.name}", "Filename": str(file)}
            self.estate.store(self.site).do(Request(operation="download_file", params=params, parse=lambda _: None))
            file.chmod(0o644)

    def _leader_site(self) -> Site:
        return next(s for s in self.settings.sites if container(self.settings, s, "db") == self.ways.leader)


def _sql(place: str, *statements: str) -> None:
    commands = [word for each in statements for word in ("-c", each)]
    _run(["docker", "exec", place, "psql", "-XAtq", "-U", "postgres", "-d", "postgres", *commands])
