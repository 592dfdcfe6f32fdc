"""Take a stack down: its containers and networks; its data only when that is asked for and the stack's name typed."""

from __future__ import annotations

import sys

import docker
from rich.console import Console

from infra import embedded, pulumi_engine
from infra.choice import PULUMI, choose, maker
from infra.engines import Engines
from infra.local_engine import ensure
from infra.machine import say_on_stderr as say
from infra.present import look
from infra.settings import ROOT, Settings
from runbooks.core.errors import Exit, NotReady
from runbooks.core.session import settings_of


def down(stack: str, volumes: bool, confirm: str, plan: bool) -> Exit:
    """Remove the stack from every place; `plan` only lists it. NotReady unless `confirm` names what loses its data."""
    settings = settings_of(stack)
    console = Console(highlight=False)
    ensure(say)
    with Engines(settings) as engines:
        if plan:
            _list(engines, volumes, console)
            return Exit.DONE
        if volumes or settings.production:
            _confirm(settings, confirm)
        if maker(engines) == PULUMI and (cli := choose(engines, say).cli):
            pulumi_engine.down(settings, ROOT, cli)
        embedded.down(engines, volumes=volumes, report=lambda kind, name: console.print(f"removed {kind} {name}"))
    kept = "" if volumes else "; its volumes are kept, and the next `./inv up` uses them"
    console.print(f"stack {settings.stack} is down{kept}", markup=False)
    return Exit.DONE


def _list(engines: Engines, volumes: bool, console: Console) -> None:
    kinds = ("container", "network", "volume") if volumes else ("container", "network")
    clients: dict[str, docker.DockerClient] = {engines.engine(place): engines.client(place) for place in engines.places}
    for client in clients.values():
        found = look(client, engines.settings.stack).found
        for kind in kinds:
            for name in found[kind]:
                console.print(f"remove {kind} {name}", markup=False)


def _confirm(settings: Settings, typed: str) -> None:
    what = f"type the stack's name ({settings.stack}) to remove it"
    if not typed and sys.stdin.isatty():
        typed = input(f"{what}: ").strip()
    if typed != settings.stack:
        raise NotReady(f"{what}, with --confirm {settings.stack} where nobody can be asked; nothing was changed")
