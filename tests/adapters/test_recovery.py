"""The commands by which a serving database is set aside, restored, recovered and handed over."""

from __future__ import annotations

from datetime import UTC, datetime

from runbooks.adapters import aside, maintenance, pooler, recovery
from runbooks.adapters.aside import Kept
from runbooks.adapters.maintenance import View
from runbooks.adapters.pooler import Door, Way
from runbooks.adapters.recovery import Point

ADMIN = Way(address="pooler-1.jkt:6432", database="credit", user="pooler", password="a:b\\c")  # noqa: S106
CLIENT = Way(address="pooler-1.jkt:6432", database="credit", user="credit", password="x")  # noqa: S106
PATH, KEPT = "/data/17/1", "/data/17/1.before-r1"
TOOLS = ("pgbackrest", "--config=/config/pgbackrest.conf", "--stanza=credit", "--repo=2", "--log-level-stderr=warn")


def test_a_restore_is_held_at_its_target_on_its_timeline() -> None:
    command = recovery.restore("credit", 2, "20261122-211831F", ("--type=xid", "--target=7"), 3, PATH, 60)
    assert command.argv[3:] == (
        *(PATH, *TOOLS, f"--pg1-path={PATH}", "--set=20261122-211831F", "--type=xid", "--target=7"),
        *("--target-action=pause", "--target-timeline=3", "restore"),
    )


def test_a_standby_is_restored_to_where_it_is_consistent() -> None:
    command = recovery.restore_standby("credit", 2, "20261122-211831F", PATH, 60)
    assert command.argv[3:] == (
        *(PATH, *TOOLS, f"--pg1-path={PATH}", "--set=20261122-211831F", "--type=standby"),
        *(
            "--recovery-option=recovery_target=immediate",
            "--recovery-option=recovery_target_action=shutdown",
            "restore",
        ),
    )


def test_a_copy_cannot_archive() -> None:
    command = recovery.restore_copy("credit", 2, "20261122-211831F", ("--type=xid", "--target=7"), 3, PATH, 60)
    assert command.argv[3:] == (
        *(PATH, *TOOLS, "--set=20261122-211831F", "--type=xid", "--target=7", "--target-action=promote"),
        *("--target-timeline=3", "--archive-mode=off", "restore"),
    )


def test_a_recovery_is_alone_and_fetches_from_where_it_is_told() -> None:
    """The script comes by stdin; a repository that cannot be asked ends the recovery rather than cutting it short."""
    command = recovery.start("credit", [2, 1], KEPT, 3, PATH, 60)
    assert "-c listen_addresses= " in command.argv[-2]
    assert "synchronous_standby_names= " in command.argv[-2]
    assert command.argv[-2].endswith(f"restore_command='sh {PATH}.fetch %f %p'")
    script = command.stdin or ""
    assert "for repository in 2 1; do" in script
    assert f'cp "{KEPT}/pg_wal/$file"' in script
    assert script.index('cp "') < script.index("exit 200") < script.rindex("exit 1")


def test_where_a_recovery_stands() -> None:
    at = datetime(2026, 11, 24, 13, 10, 0, 5, UTC)
    parse = recovery.point().parse
    assert parse([("t", "0/5000060", "2026-11-24T13:10:00.000005+00:00")]) == Point(held=True, lsn="0/5000060", at=at)
    assert parse([("f", None, None)]) == Point(held=False, lsn="", at=None)


def test_what_is_kept() -> None:
    """Each folder's run is read from its name."""
    said = "326107136\t/data/17/1.before-20261124T131403Z-restore-1a2b3c\n4096\t/data/17/1.before-r1\n"
    assert aside.kept(PATH).parse(said) == (
        Kept(
            run="20261124T131403Z-restore-1a2b3c",
            path="/data/17/1.before-20261124T131403Z-restore-1a2b3c",
            size=326107136,
        ),
        Kept(run="r1", path=KEPT, size=4096),
    )
    assert aside.release(PATH, "r1").argv == ("rm", "-rf", "--", KEPT)
    assert aside.set_aside(PATH, "r1").argv[-2:] == aside.put_back(PATH, "r1").argv[-2:] == (PATH, KEPT)
    assert aside.clear(PATH, "r1").argv[-2:] == (PATH, KEPT)


def test_a_door_as_pgbouncer_shows_it() -> None:
    """The console's own database is not ours."""
    said = (
        "name,host,port,database,force_user,pool_size,min_pool_size,reserve_pool_size,server_lifetime,pool_mode,"
        "load_balance_hosts,max_connections,current_connections,max_client_connections,current_client_connections,"
        "paused,disabled\n"
        "credit,leader,5432,credit,,20,0,0,3600,,,0,4,0,8,1,0\n"
        "pgbouncer,,6432,pgbouncer,pgbouncer,2,0,0,3600,statement,,0,0,0,1,0,0\n"
    )
    command = pooler.door(ADMIN)
    assert command.parse(said) == Door(shut=False, held=True)
    assert command.argv[3:] == ("sh", "pooler-1.jkt", "6432", "pooler", "pgbouncer", "SHOW DATABASES")
    assert command.stdin == "*:*:*:*:a\\:b\\\\c\n"
    assert "a:b" not in repr(ADMIN)


def test_a_door_that_is_as_it_should_be_is_no_error() -> None:
    """PgBouncer refuses to shut what is shut; nobody answering is another matter."""
    assert pooler.shut(ADMIN).argv[-2:] == ("DISABLE credit", "KILL credit")
    assert pooler.open_again(ADMIN).argv[-2:] == ("RESUME credit", "ENABLE credit")
    assert pooler.shut(ADMIN).ok == pooler.open_again(ADMIN).ok == (0, 1)


def test_what_a_client_gets_to() -> None:
    """As psql prints it with its heading."""
    command = pooler.leads_to_leader(CLIENT)
    assert command.argv[3:7] == ("sh", "pooler-1.jkt", "6432", "credit")
    assert command.parse("writes\nt\n") is True
    assert command.parse("writes\nf\n") is False
    assert command.parse("") is False


def test_patroni_is_told_with_a_certificate_of_the_stack() -> None:
    for command, words in (
        (maintenance.pause(), '{"pause": true}'),
        (maintenance.go_on(), '{"pause": null}'),
        (maintenance.restart(), '{"timeout": 300}'),
    ):
        assert command.stdin == words
        assert "/config/tls.key" in command.argv
    said = '{"state": "running", "role": "primary", "pause": true, "timeline": 2, "pending_restart": true}'
    seen = View(state="running", role="primary", paused=True, timeline=2, wants_restart=True)
    assert maintenance.view().parse(said) == seen
    assert maintenance.view().parse('{"state": "stopped", "role": "replica"}').runs is False
