"""Programs on a machine behind one SSH connection, which is opened by the first of them and kept for the run."""

from __future__ import annotations

import contextlib
import logging
import shlex
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import paramiko
from fabric import Config
from fabric import Connection as Fabric

from infra.settings import Ssh
from runbooks.core.connection import Feeder, Output

CONNECT_SECONDS = 2  # a frozen host must cost a status of the whole estate less than its 3 s
CHANNELS = 8  # sshd admits ten sessions a connection (MaxSessions)
CHUNK = 1 << 16
NO_STATUS = -1  # paramiko's, for a channel that was closed before the program ended

logging.getLogger("paramiko").addHandler(logging.NullHandler())  # else it prints tracebacks of its thread to stderr


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
            return Output(None, b"", f"ssh {self._fabric.user}@{self._fabric.host}: no connection: {error}".encode())

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
        feeder = Feeder(feed or (), channel.makefile_stdin("wb"), end=channel.shutdown_write)
        answer: list[bytes] = []
        _drain(channel.makefile("rb"), answer)
        listener.join()
        code = channel.recv_exit_status()  # OpenSSH sends it after the end of the output
        if code == NO_STATUS:
            return Output(None, b"", b"".join(errors))
        feeder.check()
        return Output(code, b"".join(answer), b"".join(errors))

    def close(self) -> None:
        """Close the one connection."""
        self._fabric.close()


def _drain(stream: Any, into: list[bytes]) -> None:
    while chunk := stream.read(CHUNK):
        into.append(chunk)
