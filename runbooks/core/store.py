"""One site's object store, through boto3. Opened by the estate; carries out Request values."""

from __future__ import annotations

import functools
import ssl
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib import request as http
from urllib.error import HTTPError

from rich.console import Console

from infra.settings import Settings, Site, container, published
from runbooks.core import clock
from runbooks.core.cloud import Service, send
from runbooks.core.command import Request
from runbooks.core.errors import CommandFailed

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError, ClientError

    from infra.secrets import S3Key

REGION = "default"
KNOCK_SECONDS = 2
BROKEN = 500  # the first HTTP status by which a server owns up to a fault of its own
_OPENING = ThreadPoolExecutor(max_workers=1)  # beside what else a run begins with, and one client at a time


def endpoint(site: Site) -> str:
    """Return the URL of `site`'s store: the company's own S3, else the store declared there."""
    return site.s3_endpoint or f"https://{site.publish.address}:{published(site, 'store')}"


def knock(settings: Settings, site: Site, ca: str) -> None:
    """See that `site`'s store answers a stranger, its certificate checked in full; CommandFailed if it does not.

    A handshake, where the first request through boto3 costs a quarter of a second of CPU.
    """
    name, url = container(settings, site, "store"), endpoint(site)
    context = ssl.create_default_context(cadata=None if site.s3_endpoint else ca)
    try:
        http.urlopen(http.Request(url, method="HEAD"), timeout=KNOCK_SECONDS, context=context).close()  # noqa: S310
    except HTTPError as refusal:
        if refusal.code >= BROKEN:
            raise CommandFailed(("HEAD", url), name, refusal.code, str(refusal)) from refusal
    except OSError as error:
        raise CommandFailed(("HEAD", url), name, None, str(error)) from error


class Keys(Protocol):
    """What opens a store: the stack's secrets, or where there are none yet the little that was given by hand."""

    @property
    def ca(self) -> str:
        """The certificate of the authority that signs for stores of our own, PEM."""

    def s3(self, site: str) -> S3Key:
        """Return the key of `site`'s store."""


class Store(Service):
    """The S3 store of `site`."""

    def __init__(self, site: Site, settings: Settings, secrets: Keys, plan_only: bool, console: Console) -> None:
        """Begin to prepare a client; nothing is sent before the first request."""
        super().__init__(f"{settings.stack}-{site.name}-store", plan_only, console)
        self.site, self.bucket = site, settings.bucket(site)
        self._authority = tempfile.NamedTemporaryFile(mode="w", suffix=".crt")  # noqa: SIM115 - closed by close()
        self._authority.write(secrets.ca)
        self._authority.flush()
        self._opening = _OPENING.submit(self._open, secrets)

    def _open(self, secrets: Keys) -> Any:
        from botocore.config import Config  # noqa: PLC0415 - see _session

        site, key = self.site, secrets.s3(self.site.name)
        return _session().client(
            "s3",
            endpoint_url=endpoint(site),
            region_name=REGION,
            aws_access_key_id=key.access_key,
            aws_secret_access_key=key.secret_key,
            verify=True if site.s3_endpoint else str(Path(self._authority.name)),
            config=Config(
                connect_timeout=2,
                read_timeout=10,
                retries={"total_max_attempts": 2, "mode": "standard"},
                s3={"addressing_style": "path"},
                # Ceph before 19 neither checks nor returns them
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    @property
    def client(self) -> Any:
        """The client itself, once it is ready."""
        return self._opening.result()

    def _send(self, request: Request[Any]) -> Any:
        return send(lambda: self.client, request, self.name, refused=_refused, silent=_silent)

    def close(self) -> None:
        """Close the connections and remove the file of the certificate authority."""
        self.client.close()
        self._authority.close()


@functools.cache
def _session() -> Any:
    """Return the session of this process: boto3 takes 0.4 s to load, and as long again for what each session reads."""
    import boto3  # noqa: PLC0415

    return boto3.session.Session()


def _refused(error: ClientError) -> str:
    return f"{error}{clock.between(error.response)}"


def _silent(error: BotoCoreError) -> str:
    return f"{error}{clock.blamed(str(error))}\nis the store up? ./inv status"
