"""A cluster founded anew out of a repository: restored where no Patroni acts yet, recovered, left for it to adopt."""

from __future__ import annotations

from collections.abc import Sequence

from runbooks.adapters import restored
from runbooks.adapters.pgbackrest import program
from runbooks.core.command import Command

LOG = "/tmp/recovery.log"  # noqa: S108 - inside the container
# Nobody reaches it but by its socket, and it waits for no standby. What it writes once it is promoted is archived; what
# it replays is in the archive already, so not "always".
ALONE = "-c listen_addresses= -c synchronous_standby_names= -c archive_mode=on"
RECOVERY = (
    *("restore_command", "recovery_target", "recovery_target_action", "recovery_target_inclusive"),
    *("recovery_target_lsn", "recovery_target_name", "recovery_target_time", "recovery_target_timeline"),
    *("recovery_target_xid", "archive_mode"),
)
HELD = "held-by-bootstrap"
PSQL = ("psql", "-XAtq", "--set", "ON_ERROR_STOP=1", "--dbname", "postgres")

_CLEAN = """
[ ! -e "$1/recovery.signal" ] && [ ! -e "$1/standby.signal" ] || exit 0
pg_controldata "$1" | sed -n 's/^Database cluster state: *//p'
"""


def volumes(stack: str, roles: Sequence[str]) -> Command[tuple[str, ...]]:
    """Ask an engine which data volumes of these roles it has of a stack."""
    script = 'stack=$1; shift; for role; do docker volume ls --quiet --filter "label=separuh.stack=$stack" '
    script += '--filter "label=separuh.role=$role"; done'
    argv = ("sh", "-c", script, "sh", stack, *roles)
    return Command(argv=argv, parse=lambda said: tuple(n for n in said.split() if n.endswith("-data")), within=10)


def restore(
    stanza: str, repository: int, label: str, target: Sequence[str], timeline: int, path: str, within: float
) -> Command[str]:
    """Restore a backup into `path`, which is made, to be recovered along `timeline` to the target and promoted."""
    action = () if "--type=default" in target else ("--target-action=promote",)  # the end of the log is no target
    options = (f"--set={label}", *target, *action, f"--target-timeline={timeline}")
    script = 'mkdir -p -m 0700 "$0" && exec "$@"'
    argv = ("sh", "-c", script, path, *program(stanza, repository), "--delta", *options, "restore")
    return Command(argv=argv, within=within)


def start(path: str, within: float) -> Command[str]:
    """Start it and wait until it has recovered and takes writes. The end of its log is in the failure."""
    return restored.start(path, within, LOG, ALONE)


def forget_recovery() -> Command[str]:
    """Take out of its settings how it was restored: Patroni's own count from now on."""
    commands = [word for name in RECOVERY for word in ("--command", f"ALTER SYSTEM RESET {name}")]
    return Command(argv=(*PSQL, *commands), within=30)


def left_clean(path: str) -> Command[bool]:
    """Ask whether the server was stopped cleanly, as one that led: what Patroni adopts."""
    return Command(argv=("sh", "-c", _CLEAN, "sh", path), parse=lambda said: said.strip() == "shut down", within=10)


def hold(path: str) -> Command[str]:
    """Keep a member's Patroni from beginning a cluster: what is in its folder is no database, and not nothing."""
    script = f'[ -e "$1/PG_VERSION" ] || {{ mkdir -p -m 0700 "$1" && touch "$1/{HELD}"; }}'
    return Command(argv=("sh", "-c", script, "sh", path), within=10)


def is_held(path: str) -> Command[bool]:
    """Ask whether a member is held."""
    script = f'[ -e "$1/{HELD}" ] && echo held || true'
    return Command(argv=("sh", "-c", script, "sh", path), parse=bool, within=10)


def release(path: str) -> Command[str]:
    """Let a member that was held copy the leader."""
    return Command(argv=("sh", "-c", f'[ ! -e "$1/{HELD}" ] || rm -r "$1"', "sh", path), within=10)


def stop_container(name: str) -> Command[str]:
    """Stop a container until it is started again."""
    return Command(argv=("docker", "stop", "--time", "10", name), within=60)
