"""The day after the fire: of the whole estate one site's store is left, and a colleague's clone founds it anew."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from runbooks.adapters import postgres
from runbooks.core.command import Query
from runbooks.core.errors import Exit
from runbooks.core.leader import leader
from runbooks.parts.repositories import inventory, segments
from tests.drills.clones import cloned
from tests.drills.containers import labelled
from tests.drills.customer import Customer, pays
from tests.drills.repositories import settled
from tests.drills.stack import Stack, docker, until

pytestmark = [pytest.mark.drill, pytest.mark.full]

LEFT = "sby"
PAYMENTS = Query(
    sql="SELECT count(*), md5(string_agg(key || amount, ',' ORDER BY key)) FROM payment",
    parse=lambda rows: rows[0],
    database="credit",
)
SYSTEM = Query(sql="SELECT system_identifier FROM pg_control_system()", parse=lambda rows: rows[0][0])


def burn(stack: Stack) -> None:
    """Remove every container and volume of the stack but one site's store, and each network that nothing holds."""
    store = f"{stack.name}-{LEFT}-store-1"
    docker("rm", "--force", *(name for name in labelled("container", stack.name) if name != store))
    docker("volume", "rm", *(name for name in labelled("volume", stack.name) if not name.startswith(store)))
    docker("network", "rm", *(f"{stack.name}-{place}" for place in ("jkt", "bdg")))


@pytest.fixture
def clone(stack: Stack, tmp_path: Path) -> Stack:
    """A fresh clone whose operator has the key of the store that is left, and the authority that signs for it."""
    secrets = stack.estate.secrets
    key = secrets.s3(LEFT)
    (tmp_path / "ca.crt").write_text(secrets.ca)
    section = f"[{stack.name}-{LEFT}]\naws_access_key_id={key.access_key}\naws_secret_access_key={key.secret_key}\n"
    (tmp_path / "credentials").write_text(section)
    credentials = {"AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials")}
    return cloned(stack, tmp_path / "clone", **credentials)


def test_one_store_is_enough_for_the_estate_to_be_founded_anew(stack: Stack, clone: Stack, tmp_path: Path) -> None:
    """It serves with every payment that was archived, is the same cluster, archives, and is backed up again."""
    settled(stack)
    stack.inv("seed", "--loans", "2000")
    stack.inv("backup", "--kind", "full", within=300)
    customer = Customer.at(stack.estate.settings, LEFT)
    for number in range(1, 6):
        customer.pay(number)
    before, owed, system = leader(stack.estate).ask(PAYMENTS), customer.owes(), leader(stack.estate).ask(SYSTEM)
    _archived(stack)
    bootstrap = ("bootstrap", "--from", LEFT, "--ca", str(tmp_path / "ca.crt"))
    told = clone.inv(*bootstrap, code=Exit.NOT_READY)
    assert "the stack's data is there" in told, "what stands is not founded anew"
    shutil.rmtree(clone.root / ".separuh" / clone.name)  # the secrets that it has fetched
    burn(stack)
    clone.inv(*bootstrap, "--plan")
    assert not (clone.root / ".separuh" / clone.name / "secrets.age").exists()
    clone.inv(*bootstrap, within=900)
    assert leader(stack.estate).name == stack.container(LEFT, "db")
    assert leader(stack.estate).ask(PAYMENTS) == before
    assert leader(stack.estate).ask(SYSTEM) == system
    assert customer.owes() == owed
    assert all(pays(stack.estate.settings, site.name) for site in stack.estate.settings.sites)
    clone.inv("backup", "--kind", "full", within=300)
    for site in stack.estate.settings.sites:
        newest = inventory(stack.estate, [site]).of(stack.estate.settings.repository(site))[-1]
        assert int(newest.wal_stop[:8], 16) > 1
        assert postgres.missing(segments(stack.estate, site)) == []
    clone.inv("status")
    clone.inv("restore-drill", within=300)


def _archived(stack: Stack) -> None:
    """Wait until all that was committed is in the archive of the store that will be left."""
    serving = leader(stack.estate)
    wanted = serving.ask(Query(sql="SELECT pg_walfile_name(pg_current_wal_lsn())", parse=lambda rows: str(rows[0][0])))
    serving.do(postgres.switch_wal())
    site = stack.estate.settings.site(LEFT)
    until(lambda: wanted in segments(stack.estate, site), 90, f"{wanted} is archived at {LEFT}")
