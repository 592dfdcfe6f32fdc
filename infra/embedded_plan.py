"""What the embedded engine would change: the program's declarations against what the engines of the places have.

Nothing here changes anything. Whatever makes a stack unfit for this engine is refused here, by name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from infra.collect import Declared
from infra.embedded_compare import compare
from infra.embedded_objects import KINDS, Refused, check, place_of
from infra.engines import Engines
from infra.present import DRILL, PLACE_LABEL, ROLE_LABEL, STACK_LABEL, Present, labels, look

PROVIDER = "pulumi:providers:docker"
PROVISIONAL = ".new"  # ends the name of a container that is not whole yet
STATEFUL = frozenset({"etcd", "db", "store"})


@dataclass(frozen=True, kw_only=True, eq=False)
class Change:
    """One object to change. `why` is shown to the operator; `after` are the changes that must be done before.

    `verb` is create, replace, update or start; or remove, or discard, which lets nothing close properly: then there is
    no declaration.
    """

    verb: str
    kind: str
    name: str
    place: str
    why: tuple[str, ...] = ()
    declared: Declared | None = None
    found: Mapping[str, Any] | None = None
    after: tuple[Change, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Changes, each after all it depends on, and how many objects are as declared."""

    changes: tuple[Change, ...]
    unchanged: int = 0


def plan(declared: Iterable[Declared], engines: Engines, *, only: Collection[str] = ()) -> Plan:
    """Compare the declarations with the engines of all places; or of those in `only`, if it is theirs alone.

    Raises Refused, DeclarationError, and EngineUnreachable for a place that is needed.
    """
    if engines.settings.production:
        raise Refused(
            f"stack {engines.settings.stack} is production: only Pulumi's engine, which keeps a state, brings it up"
        )
    # A component is a name for what is in it, a provider is a place's engine.
    objects = [one for one in declared if one.custom and one.type != PROVIDER]
    for one in objects:
        check(one)
    return _plan(objects, engines, only or engines.places)


def refuse_losses(declared: Iterable[Declared], engines: Engines, *, only: Collection[str] = ()) -> None:
    """Raise what `plan` refuses whichever engine acts: a foreign name, stateful members of two places replaced.

    Pulumi's engine asks nobody once it goes.
    """
    _plan([one for one in declared if one.type in KINDS], engines, only or engines.places)


def removal(engines: Engines, *, volumes: bool, only: Collection[str] = (), role: str = "") -> Plan:
    """Return the plan that takes down what the places have; with `volumes` the data too, where nothing need close.

    `role` names the one whose objects go, where not all do.
    """
    verb, kinds = ("discard", ("container", "network", "volume")) if volumes else ("remove", ("container", "network"))
    seen = _seen(engines, only or engines.places)
    return Plan(changes=tuple(_going(verb, kinds, seen, engines, lambda *its: role in ("", its[-1]))))


def table(planned: Plan) -> Table:
    """Return the plan as a table for a terminal, in the order in which it is carried out."""
    rows = Table("", "what", "place", "name", "why", box=None, pad_edge=False, header_style="bold")
    for change in planned.changes:
        rows.add_row(change.verb, change.kind, change.place, change.name, "\n".join(change.why))
    return rows


def summary(planned: Plan) -> str:
    """Return the plan in one line: how many of each verb, or that there is nothing to change."""
    if not planned.changes:
        return f"nothing to change: {planned.unchanged} objects are as declared"
    counts = Counter(change.verb for change in planned.changes)
    return ", ".join(f"{count} to {verb}" for verb, count in counts.items()) + f", {planned.unchanged} as declared"


def _plan(objects: list[Declared], engines: Engines, places: Collection[str]) -> Plan:
    seen = _seen(engines, places, {one.inputs["image"] for one in objects if KINDS[one.type] == "container"})
    here = {place: seen[engines.engine(place)] for place in map(place_of, objects)}
    wanted = {(KINDS[one.type], one.inputs["name"]) for one in objects}

    def unwanted(kind: str, name: str, place: str, role: str) -> bool:
        return place in places and (kind, name) not in wanted and role != DRILL  # whose run removes it itself

    _refuse_foreign(objects, here)
    going = _going("remove", ("container", "network"), seen, engines, unwanted)  # volumes stay: they hold data
    coming = _coming(objects, here, going)
    _refuse_stateful([*going, *coming])
    return Plan(changes=(*going, *coming), unchanged=len(objects) - len(coming))


def _seen(engines: Engines, places: Collection[str], images: Collection[str] = ()) -> dict[str, Present]:
    """Return what each engine of the places has of the stack; places may share one."""
    clients = {engines.engine(place): engines.client(place) for place in places}
    return {engine: look(client, engines.settings.stack, images) for engine, client in clients.items()}


def _going(
    verb: str, kinds: Iterable[str], seen: Mapping[str, Present], engines: Engines, unwanted: Callable[..., bool]
) -> list[Change]:
    """Return the removal of what is `unwanted`, by kind, name, place and role; containers go before what they use."""
    going: list[Change] = []
    at = {engines.engine(place): place for place in engines.places}  # for what says no place, or one that is no more
    for kind in kinds:
        containers = tuple(change for change in going if change.kind == "container")
        for engine, here in seen.items():
            for name, data in here.found[kind].items():
                place, role = (labels(kind, data).get(label, "") for label in (PLACE_LABEL, ROLE_LABEL))
                if unwanted(kind, name, place, role):
                    why = "left by an up that was killed" if name.endswith(PROVISIONAL) else "no longer declared"
                    place = place if place in engines.places else at[engine]
                    going.append(
                        Change(verb=verb, kind=kind, name=name, place=place, why=(why,), found=data, after=containers)
                    )
    return going


def _coming(objects: Iterable[Declared], here: Mapping[str, Present], going: Iterable[Change]) -> list[Change]:
    """Return what makes the objects as declared, after all that goes: it may hold a port or a name."""
    coming: dict[str, Change] = {}  # by URN
    for one in sorted(objects, key=lambda one: list(KINDS).index(one.type)):  # stable: what others need stays before
        kind, name, place = KINDS[one.type], one.inputs["name"], place_of(one)
        anew = {change.name for change in coming.values() if change.kind == "network"}
        verb, why = compare(one, here[place], anew)
        if verb:
            coming[one.urn] = Change(
                verb=verb,
                kind=kind,
                name=name,
                place=place,
                why=why,
                declared=one,
                found=here[place].found[kind].get(name),
                after=(*going, *(coming[urn] for urn in one.options.depends_on if urn in coming)),
            )
    return list(coming.values())


def _refuse_foreign(objects: Iterable[Declared], here: Mapping[str, Present]) -> None:
    for one in objects:
        kind, name = KINDS[one.type], one.inputs["name"]
        if name in here[place_of(one)].foreign[kind]:
            raise Refused(
                f"{place_of(one)}: there is a {kind} {name} that is not of this stack (no label {STACK_LABEL}): "
                f"rename or remove it (docker {kind} inspect {name}), then run this again"
            )


def _refuse_stateful(changes: Iterable[Change]) -> None:
    lost = [change for change in changes if change.verb in ("replace", "remove") and _stateful(change)]
    if len({change.place for change in lost}) > 1:
        names = ", ".join(change.name for change in lost)
        why = "; ".join(sorted({reason for change in lost for reason in change.why}))
        raise Refused(
            f"this would replace stateful members in more than one place at once: {names} ({why}). "
            "Name one site, ./inv up --site SITE, and the other once ./inv status says that they are in sync"
        )


def _stateful(change: Change) -> bool:
    if change.kind != "container" or change.found is None or change.found["State"]["Status"] == "created":
        return False
    serves = change.declared is None or change.declared.inputs.get("mustRun", True)  # a holder of files serves nothing
    return serves and labels("container", change.found).get(ROLE_LABEL) in STATEFUL
