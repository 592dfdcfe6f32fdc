"""What the cluster held at one point of its log, kept sealed beside the backups: what a restored copy is compared with.

Sealed, because its key values and definitions are the customers' and the schema's, and the stores are not.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta

from infra import identity
from infra.settings import Site
from runbooks.adapters import s3
from runbooks.core.errors import CommandFailed, SeparuhError
from runbooks.core.evidence import Point
from runbooks.core.host import Estate
from runbooks.core.run import Run
from runbooks.parts.fingerprint import Fingerprint
from runbooks.parts.versions import held, history

PREFIX = "separuh/fingerprints/"


@dataclass(frozen=True, kw_only=True)
class Source:
    """A fingerprint, the point it is true of, and the SHA-256 of the object it was read from ("" for a new one)."""

    point: Point
    fingerprint: Fingerprint
    sha256: str = ""

    def dump(self) -> bytes:
        """Return it as JSON."""
        return json.dumps({"point": asdict(self.point), "fingerprint": self.fingerprint.dump()}).encode()

    @classmethod
    def parse(cls, text: bytes) -> Source:
        """Return what `dump` wrote. SeparuhError if it is something else."""
        try:
            values = json.loads(text)
            return cls(point=Point(**values["point"]), fingerprint=Fingerprint.parse(values["fingerprint"]))
        except (ValueError, KeyError, TypeError) as error:
            raise SeparuhError(f"this is no fingerprint with its point ({type(error).__name__}: {error})") from error


def key(label: str) -> str:
    """Return where the fingerprint that belongs to a backup lies in a bucket."""
    return f"{PREFIX}{label}.json.age"


def store(run: Run, site: Site, label: str, source: Source) -> None:
    """Put it into `site`'s bucket, sealed for the stack's identities and locked for as long as a backup is."""
    until = datetime.now(UTC) + timedelta(days=run.settings.backup.lock_days)
    sealed = identity.seal(source.dump(), run.secrets.recipients)
    run.estate.store(site).do(s3.put_locked(run.settings.bucket(site), key(label), sealed, until))


def fetch(estate: Estate, site: Site, label: str, as_of: str = "") -> Source | None:
    """Return the fingerprint that belongs to a backup from `site`'s bucket, or as of then; None where there is none."""
    version = held(history(estate, site, key(label)), datetime.fromisoformat(as_of)) if as_of else {}
    if as_of and key(label) not in version:
        return None
    try:
        sealed = estate.store(site).ask(s3.get(estate.settings.bucket(site), key(label), version.get(key(label), "")))
    except CommandFailed as failure:
        if failure.code == s3.MISSING:
            return None
        raise
    return replace(Source.parse(identity.unseal(sealed)), sha256=hashlib.sha256(sealed).hexdigest())
