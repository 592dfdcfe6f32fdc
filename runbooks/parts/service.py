"""The service itself on a restored copy: it opens an account, grants a loan, and takes a payment."""

from __future__ import annotations

import io
import json
import tarfile
from uuid import uuid4

from infra.images import of_role
from infra.settings import PORTS, container
from runbooks.adapters import credit, scratch, service
from runbooks.core.errors import NotVerified
from runbooks.core.perform import wait_until_holds
from runbooks.core.run import Run, Step
from runbooks.parts.findings import record, usable
from runbooks.parts.throwaway import copy, here, name, of_service, tags

READY_SECONDS = 60.0
HOLDER = {"holder": "Uji Pemulihan", "city": "Surabaya", "phone": "+62 31 000000"}
LOAN = {"product": "multiguna", "principal": 1_200_000, "months": 12}


def prove_service(run: Run) -> None:
    """Start the service beside the copy, in its network, and let it take a payment."""
    if run.planning:
        _start(run)
    elif usable(run):
        record(run, "payment", lambda: _payment(run))
    run.remember("proved_service", True)


def _start(run: Run) -> None:
    """Start the image that the site's services run, told of the copy by a config volume of its own."""
    site, settings, engine, own = here(run), run.settings, run.estate.place(here(run)), of_service(run)
    limits = settings.member("api")
    if run.resumed:
        engine.do(scratch.remove((own,), (f"{own}-config",)))  # a dead runner's
    engine.do(scratch.make_volume(f"{own}-config", tags(run)))
    shape = scratch.Shape(
        name=own,
        image=engine.ask(scratch.image_of(container(settings, site, "api"))),
        user=of_role("api").uid,
        memory=limits.memory,
        cpu_shares=settings.member("backup").cpu_shares,
        network=f"container:{name(run)}",
        mounts=(f"{own}-config:/config",),
        labels=tags(run),
        tmpfs=("/tmp", "/run"),  # noqa: S108 - inside the container
    )
    engine.do(scratch.make(shape))
    engine.do(scratch.unpack(own, "/config"), feed=(_config(run),))
    engine.do(scratch.start_container(own))


def _payment(run: Run) -> str:
    _start(run)
    host, database = run.estate.named(here(run), of_service(run)), run.settings.cluster
    ready = Step(
        "the service is ready", lambda _: None, lambda _: bool(host.ask(service.ready())), within=READY_SECONDS
    )
    wait_until_holds(ready, run)
    key = f"drill-{uuid4()}"  # one of its own each time: after a resume it is another payment
    account = host.ask(service.post("/accounts", key, HOLDER))
    host.ask(service.post("/loans", key, {"account": account["id"], **LOAN}))
    if not (payable := copy(run).ask(credit.payable(database, 1))):
        raise NotVerified("the service granted a loan, and there is no instalment to be paid")
    loan, instalment, amount = payable[0]
    host.ask(service.post("/payments", key, {"loan": loan, "instalment": instalment, "amount": amount}))
    paid = f"{key}\t{loan}\t{instalment}\t{amount}\n"
    audit = copy(run).ask(credit.audit(database, key, paid, books=False))  # they were looked at before it
    if not audit.holds or audit.acknowledged != 1:
        raise NotVerified(f"the payment that the service acknowledged is not in the copy as it was: {audit}")
    return f"{amount} rupiah, instalment {instalment} of loan {loan}"


def _config(run: Run) -> bytes:
    """Return the service's files as a tar archive: by stdin, as there is a password among them."""
    to = f"host=localhost port={PORTS['db']} dbname={run.settings.cluster} user=credit"
    config = {
        "dsn": f"{to} sslmode=verify-full sslrootcert=/config/ca.crt",
        "password": run.secrets.password("credit"),
    }
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for file, content in {"api.json": json.dumps(config), "ca.crt": run.secrets.ca}.items():
            entry = tarfile.TarInfo(file)
            entry.size, entry.mode = len(content.encode()), 0o400
            entry.uid = entry.gid = of_role("api").uid
            archive.addfile(entry, io.BytesIO(content.encode()))
    return packed.getvalue()
