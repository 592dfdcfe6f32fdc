"""The stack's own certificate authority, and a certificate for each container. PEM texts in and out, no files."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pydantic.dataclasses import dataclass

from infra.settings import ACROSS_PLACES, PORTS, Place, Settings, Site, address, container, witness_roles

AUTHORITY_LIFE = timedelta(days=3650)
LEAF_LIFE = timedelta(days=730)
RENEW_BEFORE = timedelta(days=90)
CLOCK_SKEW = timedelta(days=1)  # a host whose clock is behind must accept what was made here just now

SITE_ROLES = ("etcd", "db", "backup", "pooler", "route", "gateway", "api")


@dataclass(frozen=True)
class Leaf:
    """A certificate and its private key, both PEM."""

    certificate: str
    key: str = field(repr=False)


def new_authority(stack: str, now: datetime | None = None) -> Leaf:
    """Make the authority of `stack`: self-signed, ten years, and it may sign leaves only."""
    now = now or datetime.now(UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"separuh {stack}")
    subject_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(sign_certificates=True), critical=True)
        .add_extension(subject_id, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(subject_id), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _leaf(certificate, key)


def issue(authority: Leaf, name: str, hosts: frozenset[str], now: datetime | None = None) -> Leaf:
    """Make a certificate with CN `name` that is valid for `hosts`, for servers and clients alike."""
    now = now or datetime.now(UTC)
    issuer = x509.load_pem_x509_certificate(authority.certificate.encode())
    issuer_key = serialization.load_pem_private_key(authority.key.encode(), password=None)
    assert isinstance(issuer_key, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # The authority's start, not ours: a clock that jumped ahead here must not make a leaf that nobody accepts yet.
        .not_valid_before(issuer.not_valid_before_utc)
        .not_valid_after(min(now + LEAF_LIFE, issuer.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(sign_certificates=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        .add_extension(x509.SubjectAlternativeName(_general_names(hosts)), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
                issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
            ),
            critical=False,
        )
        .sign(issuer_key, hashes.SHA256())
    )
    return _leaf(certificate, key)


def still_good(leaf: Leaf, hosts: frozenset[str], now: datetime | None = None) -> bool:
    """Whether `leaf` names exactly `hosts` and is not yet due for renewal."""
    certificate = x509.load_pem_x509_certificate(leaf.certificate.encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    due = certificate.not_valid_after_utc - RENEW_BEFORE
    return list(names) == _general_names(hosts) and (now or datetime.now(UTC)) < due


def holders(settings: Settings) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield each container that holds a certificate, with every host name or address by which it is reached."""
    for role in witness_roles(settings):
        yield _holder(settings, settings.witness, role, 1)
    for site in settings.sites:
        for role in SITE_ROLES:
            for n in range(1, site.apis + 1 if role == "api" else 2):
                yield _holder(settings, site, role, n)
        if not site.s3_endpoint:
            yield _holder(settings, site, "store", 1)


def _holder(settings: Settings, place: Place | Site, role: str, n: int) -> tuple[str, frozenset[str]]:
    name = container(settings, place, role, n)
    if role not in PORTS:  # it asks, and nobody reaches it
        return name, frozenset({name})
    askers = settings.places if role in ACROSS_PLACES else (place,)
    reached = {address(settings, asker, place, role, n).rpartition(":")[0] for asker in askers}
    # The leader is reached through `route`, a TCP proxy: the database's own certificate has to carry that name.
    leader = {"leader"} if role == "db" else set()
    return name, frozenset({name, "localhost", "127.0.0.1", place.publish.address} | reached | leader)


def _general_names(hosts: frozenset[str]) -> list[x509.GeneralName]:
    return [_general_name(host) for host in sorted(hosts)]


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _leaf(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Leaf:
    """PKCS#8 keys: every daemon here reads them, Ceph's and Go's included."""
    return Leaf(
        certificate.public_bytes(serialization.Encoding.PEM).decode(),
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
    )
