"""Take a stack down: its containers and networks; its data only when that is asked for and the stack's name typed."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager

from infra import embedded, pulumi_engine
from infra.choice import PULUMI, choose, maker
from infra.embedded_plan import Change, removal
from infra.engines import Engines
from infra.identity import SecretsError
from infra.local_engine import ensure
from infra.pins import forget as forget_pins
from infra.present import DRILL
from infra.say import say_on_stderr as say
from infra.settings import ROOT, Settings
from runbooks.core.account import accounted
from runbooks.core.consent import expect_name
from runbooks.core.errors import Exit, Failed, NotReady
from runbooks.core.hint import Screen
from runbooks.core.hold import holding
from runbooks.core.session import open_stack, settings_of


def down(stack: str, volumes: bool, confirm: str, plan: bool) -> Exit:
    """Remove the stack from every place that answers; `plan` only lists it.

    NotReady unless `confirm` names what loses its data. DEGRADED where a place did not answer: its part still stands.
    """
    settings = settings_of(stack)
    console = Screen(settings.stack)
    ensure(say)
    with Engines(settings) as engines:
        places = engines.answering(say)
        if not places:
            raise NotReady(f"no engine of stack {settings.stack} answers (see above): nothing was removed")
        if plan:
            for change in removal(engines, volumes=volumes, only=places).changes:
                console.print(f"remove {change.kind} {change.name}")
            return Exit.DONE
        if volumes or settings.production:
            expect_name(settings, confirm, "remove it")
        left = [place for place in engines.places if place not in places]
        with accounted("down", settings) as account, _lease(settings):
            account.reasons += [f"{place}: not taken down, as its engine does not answer" for place in left]
            with account.step(
                "Remove containers, networks and volumes" if volumes else "Remove containers and networks"
            ):
                _remove(engines, places, volumes, console)
        if volumes and not left:
            forget_pins(settings, ROOT)  # of members that are no more: the next ones run what the checkout makes
    if left:
        console.print(
            f"{' and '.join(left)}: not taken down, as the engine does not answer. When it does again: "
            f"./inv down --stack {settings.stack}{' --volumes' if volumes else ''} removes what is left there",
        )
        return Exit.DEGRADED
    kept = "" if volumes else "; its volumes are kept, and the next `./inv up` uses them"
    console.print(f"stack {settings.stack} is down{kept}")
    return Exit.DONE


def _remove(engines: Engines, places: Collection[str], volumes: bool, console: Screen) -> None:
    def report(change: Change, _: float) -> None:
        console.print(f"removed {change.kind} {change.name}")

    only = () if len(places) == len(engines.places) else places
    try:
        # A dead drill's copy is no data, and Pulumi, who knows nothing of it, cannot remove the network that it is on.
        embedded.down(engines, volumes=True, report=report, only=only, role=DRILL)
        if maker(engines, places) == PULUMI and (cli := choose(engines, say, places).cli):
            pulumi_engine.down(engines.settings, ROOT, cli, only=only)
        for network in embedded.down(engines, volumes=volumes, report=report, only=only):
            console.print(network)
    except (pulumi_engine.PulumiFailed, embedded.ApplyFailed) as failure:
        raise Failed(str(failure)) from failure


@contextmanager
def _lease(settings: Settings) -> Iterator[None]:
    """Hold the lease, so that no run is cut off; a stack whose secrets are lost must still be taken down."""
    with ExitStack() as held:
        try:
            _, secrets = open_stack(settings.stack)
        except (NotReady, SecretsError) as error:
            say(f"{error}. Going on without the lease")
        else:
            held.enter_context(holding(settings, secrets, "down"))
        yield
