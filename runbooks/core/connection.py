"""How bytes reach a place: its engine's machine is this one, or is behind one SSH connection kept for the run.

Both kinds answer `run(argv, feed, within)` from several threads at once, and neither outlives its limit: a place
that does not answer yields a code of None.
"""

from __future__ import annotations

import contextlib
import shlex
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import paramiko
from fabric import Config
from fabric import Connection as Fabric

from infra.settings import Ssh

CONNECT_SECONDS = 3
CHANNELS = 8  # sshd admits ten sessions a connection (MaxSessions)
CHUNK = 1 << 16


@dataclass(frozen=True)
class Output:
    """What a program left. `code` is None when it did not end in time or its place did not answer."""

    code: int | None
    stdout: bytes
    stderr: bytes


class Connection(Protocol):
    """A way to run programs on the machine of a place's engine."""

    def run(self, argv: tuple[str, ...], feed: Iterable[bytes] | None, within: float) -> Output:
        """Run `argv`, feeding it `feed` on stdin, for at most `within` seconds."""

    def close(self) -> None:
        """Let go of what was opened."""


class Local:
    """Programs on this machine. Not through Invoke: it reads stdin one byte every 10 ms."""

    def run(self, argv: tuple[str, ...], feed: Iterable[bytes] | None, within: float) -> Output:
        """Run `argv` in a session of its own, so that Ctrl-C reaches the runbook and not its programs."""
        stdin = subprocess.DEVNULL if feed is None else subprocess.PIPE
        with subprocess.Popen(
            argv, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        ) as process:
            pipe, process.stdin = process.stdin, None
            feeder = _Feeder(feed, pipe)
            try:
                stdout, stderr = process.communicate(timeout=within)
            except subprocess.TimeoutExpired:
                process.kill()
                _, stderr = process.communicate()
                return Output(None, b"", stderr)
            except BaseException:
                process.kill()
                raise
            feeder.check()
        return Output(process.returncode, stdout, stderr)

    def close(self) -> None:
        """Nothing is kept open."""


class Remote:
    """Programs behind one Fabric connection, opened by the first command; the host's key must be known."""

    def __init__(self, engine: str, ssh: Ssh) -> None:
        """`engine` is `ssh://user@host[:port]`."""
        url = urlsplit(engine)
        identity = str(Path(ssh.identity_file).expanduser())
        self._known_hosts = Path(ssh.known_hosts).expanduser()
        self._fabric = Fabric(
            host=url.hostname or "",
            user=url.username,
            port=url.port or 22,
            config=Config(overrides={"load_ssh_configs": False}),
            connect_timeout=CONNECT_SECONDS,
            connect_kwargs={
                "key_filename": identity,
                "look_for_keys": False,
                "banner_timeout": CONNECT_SECONDS,
                "auth_timeout": CONNECT_SECONDS,
            },
        )
        self._opening = threading.Lock()
        self._channels = threading.BoundedSemaphore(CHANNELS)

    def run(self, argv: tuple[str, ...], feed: Iterable[bytes] | None, within: float) -> Output:
        """Run `argv` over a channel of its own; a deadline closes the channel."""
        try:
            with self._channels, self._channel(within) as channel:
                return self._converse(channel, shlex.join(argv), feed)
        except paramiko.BadHostKeyException as error:
            return Output(None, b"", f"{error}; if the host was made anew, correct {self._known_hosts}".encode())
        except (OSError, EOFError, paramiko.SSHException) as error:
            return Output(None, b"", f"ssh {self._fabric.user}@{self._fabric.host}: {error or 'no answer'}".encode())

    @contextlib.contextmanager
    def _channel(self, within: float) -> Iterator[paramiko.Channel]:
        with self._opening:
            if not self._fabric.is_connected:
                self._connect()
        transport = self._fabric.transport
        channel = transport.open_session(timeout=min(CONNECT_SECONDS, within))
        # paramiko waits without limit for the answer to an exec request; closing the channel wakes it
        deadline = threading.Timer(within, channel.close)
        deadline.daemon = True
        deadline.start()
        try:
            yield channel
        finally:
            deadline.cancel()
            channel.close()

    def _connect(self) -> None:
        client = self._fabric.client
        client.set_missing_host_key_policy(paramiko.RejectPolicy())  # Fabric's own is to accept any key
        client.load_host_keys(str(self._known_hosts))
        self._fabric.open()
        self._fabric.transport.set_keepalive(5)

    def _converse(self, channel: paramiko.Channel, line: str, feed: Iterable[bytes] | None) -> Output:
        channel.exec_command(line)
        errors: list[bytes] = []
        listener = threading.Thread(target=_drain, args=(channel.makefile_stderr("rb"), errors), daemon=True)
        listener.start()
        feeder = _Feeder(feed or (), channel.makefile_stdin("wb"), end=channel.shutdown_write)
        answer: list[bytes] = []
        _drain(channel.makefile("rb"), answer)
        listener.join()
        if not channel.exit_status_ready():
            return Output(None, b"", b"".join(errors))
        feeder.check()
        return Output(channel.recv_exit_status(), b"".join(answer), b"".join(errors))

    def close(self) -> None:
        """Close the one connection."""
        self._fabric.close()


class _Feeder:
    """Writes a program's stdin beside the reading of what it says; a source that breaks is reported by `check`."""

    def __init__(self, feed: Iterable[bytes] | None, pipe: Any, end: Callable[[], None] = lambda: None) -> None:
        self._feed, self._pipe, self._end = feed, pipe, end
        self._broken: Exception | None = None
        self._thread = threading.Thread(target=self._write, daemon=True)
        if feed is not None and pipe is not None:
            self._thread.start()

    def _write(self) -> None:
        assert self._feed is not None
        try:
            for chunk in self._feed:
                if not self._put(chunk):
                    break
        except Exception as error:
            self._broken = error
        finally:
            with contextlib.suppress(OSError, paramiko.SSHException):
                self._pipe.close()
                self._end()

    def _put(self, chunk: bytes) -> bool:
        """Say whether the program still reads; one that ended early says why by its exit code."""
        try:
            self._pipe.write(chunk)
        except OSError:
            return False
        return True

    def check(self) -> None:
        """Raise what the source raised."""
        if self._broken:
            raise self._broken


def _drain(stream: Any, into: list[bytes]) -> None:
    while chunk := stream.read(CHUNK):
        into.append(chunk)
