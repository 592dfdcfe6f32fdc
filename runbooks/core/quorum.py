"""The few keys that must be the same for everybody: in the etcd that both sites already trust, by `etcdctl`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Protocol, TypeVar

from infra.settings import Place
from runbooks.core.command import Command
from runbooks.core.errors import CommandFailed, NotReady
from runbooks.core.host import Estate

T = TypeVar("T")
WITHIN = 5.0
TLS = ("--cacert=/config/ca.crt", "--cert=/config/tls.crt", "--key=/config/tls.key")
ITSELF = "--endpoints=https://localhost:2379"
ETCDCTL = ("etcdctl", *TLS, ITSELF, "--dial-timeout=2s", f"--command-timeout={WITHIN - 1:g}s")

# A lease granted and used in one call, as each costs a tenth of a second. It joins the transaction's "--lease=".
CLAIM = r"""
granted=$("$@" lease grant "$0")
lease=${granted#lease }
lease=${lease%% *}
sed "s/--lease=\$/&$lease/" | "$@" txn
echo "$lease"
"""


class NoQuorum(NotReady):
    """No etcd member answers with a majority behind it."""


class Quorum(Protocol):
    """Keys of which a majority keeps one truth."""

    def get(self, key: str) -> str | None:
        """Return the value of `key`, None if it is not there."""

    def claim(self, key: str, value: str, ttl: int) -> str | None:
        """Create `key` on a lease of `ttl` seconds and return the lease's id; None if the key is there already."""

    def put(self, key: str, value: str, guard: tuple[str, str]) -> bool:
        """Write `key` if the guard's key still has the guard's value; False if it has not."""

    def delete(self, key: str) -> None:
        """Remove `key`."""

    def keep(self, lease: str) -> bool:
        """Renew a lease; False if it has expired."""

    def revoke(self, lease: str) -> None:
        """End a lease; its keys go with it."""


class Etcd:
    """The stack's etcd, through whichever member answers; one that answered is asked first the next time."""

    def __init__(self, estate: Estate, first: Place | None = None) -> None:
        """Nothing is asked yet. `first` is whom to ask first, where members of another quorum may answer too."""
        self._estate = estate
        self._places = list(estate.settings.places)
        if first:
            self._prefer(first)

    def get(self, key: str) -> str | None:
        """Return the value of `key`, None if it is not there."""
        return self._first(_etcdctl("get", key, "--print-value-only", parse=_value))

    def claim(self, key: str, value: str, ttl: int) -> str | None:
        """Create `key` on a new lease, in one transaction; None if another has it.

        `value` is this claim's alone: where the key has it, an earlier call was heard and its answer was not.
        """
        stdin = _transaction(f'create({_quoted(key)}) = "0"', f"put {_quoted(key)} {_quoted(value)} --lease=")
        argv = ("sh", "-euc", CLAIM, str(ttl), *ETCDCTL)
        said = self._first(Command(argv=argv, parse=str, stdin=stdin, within=WITHIN))
        lease = said.split()[-1]
        if _succeeded(said):
            return lease
        self.revoke(lease)
        if self.get(key) != value:
            return None
        self.delete(key)
        return self.claim(key, value, ttl)

    def put(self, key: str, value: str, guard: tuple[str, str]) -> bool:
        """Write `key` if the guard holds, in one transaction."""
        held = f"value({_quoted(guard[0])}) = {_quoted(guard[1])}"
        stdin = _transaction(held, f"put {_quoted(key)} {_quoted(value)}")
        return self._first(_etcdctl("txn", parse=_succeeded, stdin=stdin))

    def delete(self, key: str) -> None:
        """Remove `key`."""
        self._first(_etcdctl("del", key, parse=str))

    def keep(self, lease: str) -> bool:
        """Renew a lease; False if it has expired."""
        return self._first(_etcdctl("lease", "keep-alive", "--once", lease, parse=lambda text: "keepalived" in text))

    def revoke(self, lease: str) -> None:
        """End a lease; one that has expired is no error."""
        self._first(_etcdctl("lease", "revoke", lease, parse=str, ok=(0, 1)))

    def _first(self, command: Command[T]) -> T:
        """Ask one member after the other. Only `ask`, although keys change: a plan never comes here."""
        failures = []
        for place in list(self._places):
            try:
                answer = self._estate.member(place, "etcd").ask(command)
            except CommandFailed as failure:
                failures.append(str(failure))
                continue
            self._prefer(place)
            return answer
        raise NoQuorum(
            f"no etcd member of stack {self._estate.settings.stack} answers with a quorum behind it, so no lease can "
            "be had. ./inv status shows what runs; ./inv up starts what is stopped\n" + "\n".join(failures)
        )

    def _prefer(self, place: Place) -> None:
        self._places.remove(place)
        self._places.insert(0, place)


def _etcdctl(*argv: str, parse: Callable[[str], T], stdin: str | None = None, ok: tuple[int, ...] = (0,)) -> Command[T]:
    return Command(argv=(*ETCDCTL, *argv), parse=parse, stdin=stdin, within=WITHIN, ok=ok)


def _transaction(condition: str, then: str) -> str:
    """Return a transaction in etcdctl's own lines: conditions, what follows, what else follows."""
    return f"{condition}\n\n{then}\n\n\n"


def _quoted(text: str) -> str:
    """Quote as Go does, which for these texts (JSON in ASCII) is as JSON does."""
    return json.dumps(text)


def _value(output: str) -> str | None:
    return output.rstrip("\n") or None


def _succeeded(output: str) -> bool:
    return output.startswith("SUCCESS")
