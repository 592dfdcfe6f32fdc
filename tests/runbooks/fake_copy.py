"""What a standby that stands still, and the throwaway copy of a drill, answer in a world in memory."""

from __future__ import annotations

import json
from collections.abc import Collection

Row = tuple[str | None, ...]

# By words of the query. Both are clusters with one table and no row in it, whose fingerprints are equal.
ANSWERS: dict[str, list[Row]] = {
    "pg_stat_wal_receiver": [("t",)],
    "pg_last_wal_replay_lsn() >=": [("t",)],
    "pg_last_wal_receive_lsn() =": [("t", "0")],
    "pg_stat_activity": [],
    "pg_current_wal_lsn": [("0/2000100", "1")],
    "pg_last_committed_xact": [("2026-01-01T00:00:02.500000+00:00",)],
    "pg_database_size": [("1000000",)],
    "clock_timestamp": [("2026-01-02T00:00:00.000000+00:00",)],
    "datallowconn ORDER": [("postgres",)],
    "pg_table_size": [("public.loan", "0", "[]", "[]", "f")],
    "hashtextextended": [],
    "pg_sequence": [],
    "pg_extension": [],
    "o.contype": [],
    "pg_authid": [],
    "pg_settings": [],
    "archive_mode": [("off", "0")],
    "picked": [("1", "1", "100")],
    "books()": [],
    "BEGIN": [],
}
HELD = "1,snapshot,00000006-0000000A-1\n1,held,t,0/2000028,2026-01-01T00:00:00.000000+00:00"
BARRED = {
    "lsn": "0/2000028",
    "at": "2026-01-01T00:00:00.000000+00:00",
    "snapshots": {"postgres": "00000006-0000000A-1"},
    "rows": {"postgres": []},
    "seconds": 0.01234,
}
AUDITED = {
    **dict.fromkeys(("lost", "altered", "misposted", "twice", "unacknowledged"), 0),
    "acknowledged": 1,
    "problems": [],
}
# By the first word of the command.
SAID = {
    "grep": 'recovery stopping before WAL location (LSN) "0/2000028"',
    "pg_checksums": "Blocks scanned:  42",
    "env": "COMMIT 2026-01-01 00:00:00.000000 UTC",
    "psql": json.dumps(AUDITED),
    "curl": '{"id": 1}',
    "python3": json.dumps(BARRED),
}


def said(argv: tuple[str, ...], running: Collection[str], restored: bool, online: bool) -> str:  # noqa: PLR0911
    """Return what a command says, of which nobody else has known; `running` are the drill's containers."""
    if any("Networks" in word for word in argv):
        return "1" if online else "0"
    if argv[0] == "docker":
        found = [{"Name": name, "State": {"Running": True, "Status": "running"}} for name in running]
        return "an/image:1" if "--format" in argv else json.dumps(found)
    if argv[0] == "sh" and "docker ps" in argv[2]:
        return " ".join(running)
    if argv[0] == "sh" and "pg_wal_replay_pause" in argv[-2]:
        return HELD
    if argv[0] == "sh" and "echo held" in argv[2]:
        return "held"
    if argv[0] == "sh" and "pg_control" in argv[2]:
        return "shut down" if "pg_controldata" in argv[2] else "yes" if restored else ""
    return SAID.get(argv[0], "")
