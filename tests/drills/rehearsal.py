"""The stack `staging` as it is committed, under a name and at addresses of its own: three hosts with an engine each."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.secrets import Secrets, open_secrets
from infra.settings import Place, Settings, container, load
from tests.drills.clones import clone
from tests.drills.stack import Stack, docker

NAME = "rehearsal"
SIGNAL_ALL = "kill -{} -1"  # every process of the host and of its containers, save the host's first and the shell
ASK_FOR_TLS = struct.pack("!ii", 8, 80877103)  # PostgreSQL's SSLRequest; a server that has TLS answers `S`


class Rehearsal:
    """The stack NAME of a clone, and the containers that stand in for its hosts."""

    def __init__(self, root: Path) -> None:
        """Clone into `root`. The engine is the embedded one, so that every machine rehearses the same."""
        clone(root)
        values = (root / "Pulumi.staging.yaml").read_text()
        for committed, own in {
            "198.18.7.": "198.18.9.",
            ".separuh/staging/": f"{root}/.separuh/{NAME}/",
            "separuh:engine: auto": "separuh:engine: embedded",
        }.items():
            assert committed in values
            values = values.replace(committed, own)
        (root / f"Pulumi.{NAME}.yaml").write_text(values)
        self.stack = Stack(NAME, root)

    @property
    def settings(self) -> Settings:
        """The stack's settings."""
        return load(NAME, self.stack.root)

    @property
    def secrets(self) -> Secrets:
        """The secrets that its first `up` made."""
        return open_secrets(self.settings, self.stack.root)

    def host(self, place: Place) -> str:
        """Return the name of the container that stands in for `place`'s machine."""
        return container(self.settings, place, "host")

    def on(self, place: Place, *argv: str) -> str:
        """Run a program on `place`'s machine, not through ssh; any failure fails the drill."""
        return docker("exec", self.host(place), *argv)

    def started(self) -> dict[str, str]:
        """Return id and last start of every container of the stack, on all hosts."""
        form = "{{.Name}} {{.Id}} {{.State.StartedAt}}"
        every = f"docker ps --all --quiet | xargs docker inspect --format '{form}'"
        found = "".join(self.on(place, "sh", "-c", every) for place in self.settings.places)
        return dict(line.lstrip("/").split(" ", 1) for line in found.splitlines())

    @contextmanager
    def frozen(self, place: Place) -> Iterator[None]:
        """Stop every process of a host meanwhile: its kernel takes connections, and nobody answers them."""
        self.on(place, "sh", "-c", SIGNAL_ALL.format("STOP"))
        try:
            yield
        finally:
            self.on(place, "sh", "-c", SIGNAL_ALL.format("CONT"))

    @contextmanager
    def cut_off(self, place: Place) -> Iterator[None]:
        """Let no packet into a host meanwhile: nothing is refused, nothing answers, as with a line that is cut."""
        rules = [(chain, "--in-interface", "eth0", "--jump", "DROP") for chain in ("INPUT", "FORWARD")]
        for rule in rules:
            self.on(place, "iptables", "--insert", *rule)
        try:
            yield
        finally:
            for rule in rules:
                self.on(place, "iptables", "--delete", *rule)


def verified(secrets: Secrets, address: str, port: int, name: str, postgresql: bool) -> str | None:
    """Shake hands with `address` as one who expects `name`; return the protocol's version.

    ssl.SSLCertVerificationError where the certificate is not of the stack, or for another name.
    """
    context = ssl.create_default_context(cadata=secrets.ca)
    with socket.create_connection((address, port), timeout=5) as plain:
        if postgresql:
            plain.sendall(ASK_FOR_TLS)
            assert plain.recv(1) == b"S"
        with context.wrap_socket(plain, server_hostname=name) as secure:
            return secure.version()
