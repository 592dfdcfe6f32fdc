"""What a TLS client of any of our daemons insists on, asked of the certificates themselves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from infra.certificates import AUTHORITY_LIFE, Leaf, holders, issue, new_authority, still_good
from infra.settings import ROOT, Settings, load

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HOSTS = frozenset({"db-1.jkt", "db-1.jkt.link", "leader", "10.0.0.7"})


@pytest.fixture(scope="module")
def authority() -> Leaf:
    return new_authority("dev", NOW)


@pytest.fixture
def settings() -> Settings:
    return load("dev", ROOT)


def certificate(leaf: Leaf) -> x509.Certificate:
    return x509.load_pem_x509_certificate(leaf.certificate.encode())


def verify(leaf: Leaf, authority: Leaf, host: str, at: datetime = NOW) -> None:
    policy = PolicyBuilder().store(Store([certificate(authority)])).time(at)
    policy.build_server_verifier(x509.DNSName(host)).verify(certificate(leaf), [])


@pytest.mark.parametrize("host", ["db-1.jkt", "db-1.jkt.link", "leader"])
def test_a_leaf_is_trusted_under_each_of_its_names(authority: Leaf, host: str) -> None:
    verify(issue(authority, "dev-jkt-db-1", HOSTS, NOW), authority, host)


def test_a_leaf_is_not_trusted_under_another_name(authority: Leaf) -> None:
    with pytest.raises(VerificationError):
        verify(issue(authority, "dev-jkt-db-1", HOSTS, NOW), authority, "db-1.sby")


def test_a_leaf_of_another_stack_is_not_trusted(authority: Leaf) -> None:
    with pytest.raises(VerificationError):
        verify(issue(new_authority("dev", NOW), "dev-jkt-db-1", HOSTS, NOW), authority, "db-1.jkt")


def test_a_leaf_serves_as_client_too_and_carries_its_container_as_common_name(authority: Leaf) -> None:
    made = certificate(issue(authority, "dev-jkt-db-1", HOSTS, NOW))
    usages = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(usages) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    assert made.subject.rfc4514_string() == "CN=dev-jkt-db-1"


def test_an_address_is_there_as_address_and_not_as_name(authority: Leaf) -> None:
    made = certificate(issue(authority, "dev-jkt-db-1", HOSTS, NOW))
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.7"]
    assert "10.0.0.7" not in names.get_values_for_type(x509.DNSName)


def test_a_clock_that_jumped_ahead_still_makes_leaves_that_are_trusted_today(authority: Leaf) -> None:
    verify(issue(authority, "dev-jkt-db-1", HOSTS, NOW + timedelta(days=700)), authority, "db-1.jkt", NOW)


def test_a_leaf_never_outlives_its_authority(authority: Leaf) -> None:
    late = issue(authority, "dev-jkt-db-1", HOSTS, NOW + AUTHORITY_LIFE - timedelta(days=30))
    assert certificate(late).not_valid_after_utc == certificate(authority).not_valid_after_utc


def test_a_leaf_is_renewed_before_it_ends_and_when_its_names_change(authority: Leaf) -> None:
    leaf = issue(authority, "dev-jkt-db-1", HOSTS, NOW)
    assert still_good(leaf, HOSTS, NOW + timedelta(days=600))
    assert not still_good(leaf, HOSTS, NOW + timedelta(days=650))
    assert not still_good(leaf, HOSTS | {"203.0.113.9"}, NOW)


def test_every_container_holds_one_and_only_the_database_is_called_leader(settings: Settings) -> None:
    names = dict(holders(settings))
    assert len(names) == 1 + 2 * 9
    assert {name for name, hosts in names.items() if "leader" in hosts} == {"dev-jkt-db-1", "dev-sby-db-1"}
    assert names["dev-jkt-store-1"] == {"dev-jkt-store-1", "store-1.jkt", "store-1.jkt.link", "localhost", "127.0.0.1"}
    assert "pooler-1.jkt.link" not in names["dev-jkt-pooler-1"]


def test_a_key_is_not_in_a_repr(authority: Leaf) -> None:
    assert "PRIVATE" not in repr(authority)
