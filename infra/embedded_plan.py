"""What the embedded engine would change: the program's declarations against what the engines of the places have.

Nothing here changes anything. Whatever makes a stack unfit for this engine is refused here, by name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from infra import embedded_container as container
from infra.collect import Declared
from infra.embedded_compare import KINDS, Refused, check, compare, place_of
from infra.engines import Engines
from infra.present import ENGINE_LABEL, PLACE_LABEL, ROLE_LABEL, STACK_LABEL, Present, labels, look

PROVIDER = "pulumi:providers:docker"
PROVISIONAL = ".new"  # ends the name of a container that is not whole yet
STATEFUL = frozenset({"etcd", "db", "store"})


@dataclass(frozen=True, kw_only=True)
class Change:
    """One object to change. `verb` is create, replace, update, start or remove; `why` is shown to the operator."""

    verb: str
    kind: str
    name: str
    place: str
    why: tuple[str, ...] = ()
    declared: Declared | None = None
    found: Mapping[str, Any] | None = None
    after: frozenset[tuple[str, str]] = frozenset()  # keys of the changes that must be done before

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from every other change."""
        return self.kind, self.name


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Changes in order: what goes first, then what comes, each after all it depends on."""

    stack: str
    changes: tuple[Change, ...]
    unchanged: int
    images: Mapping[tuple[str, str], Mapping[str, Any] | None]  # (place, image): inspect data, None where missing


def plan(declared: Iterable[Declared], engines: Engines, *, only: Collection[str] = ()) -> Plan:
    """Compare the declarations with the engines of all places, or of the places in `only`.

    Raises Refused, DeclarationError, and EngineUnreachable for a place that is needed.
    """
    stack = engines.settings.stack
    if engines.settings.production:
        raise Refused(f"stack {stack} is production: only Pulumi's engine, which keeps a state, brings it up")
    objects, present = _seen(_objects(declared, stack), engines, only)
    refuse_others(present.values())
    changes = _safe_changes(objects, present, only or engines.places)
    known = {(place, image): data for place, here in present.items() for image, data in here.images.items()}
    kept = len(objects) - sum(change.verb != "remove" for change in changes)
    return Plan(stack=stack, changes=tuple(changes), unchanged=kept, images=known)


def refuse_losses(declared: Iterable[Declared], engines: Engines, *, only: Collection[str] = ()) -> None:
    """Raise what `plan` refuses whichever engine acts: a foreign name, stateful members of two places replaced.

    Pulumi's engine asks nobody once it goes.
    """
    objects, present = _seen([one for one in declared if one.type in KINDS], engines, only)
    _safe_changes(objects, present, only or engines.places)


def _seen(
    objects: list[Declared], engines: Engines, only: Collection[str]
) -> tuple[list[Declared], dict[str, Present]]:
    """Return the objects that this is about, and what each of their places has."""
    places = only or engines.places
    wanted = [one for one in objects if place_of(one) in places or place_of(one) not in engines.places]
    images = {str(one.inputs["image"]) for one in wanted if KINDS[one.type] == "container"}
    found = {engines.engine(place): look(engines.client(place), engines.settings.stack, images) for place in places}
    return wanted, {place: found[engines.engine(place)] for place in {*places, *map(place_of, wanted)}}


def _safe_changes(objects: list[Declared], present: Mapping[str, Present], places: Collection[str]) -> list[Change]:
    _refuse_foreign(objects, present)
    changes = [*_removals(objects, present, places), *_declared_changes(objects, present)]
    _refuse_stateful(changes)
    return changes


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


def _objects(declared: Iterable[Declared], stack: str) -> list[Declared]:
    """Return what an engine has to have; a component is a name for what is in it, a provider is a place's engine."""
    objects = [one for one in declared if one.custom and one.type != PROVIDER]
    for one in objects:
        check(one, stack)
    return objects


def refuse_others(present: Iterable[Present]) -> None:
    """Raise Refused where a network says that Pulumi made this stack: what one engine made, the other leaves alone."""
    for here in present:
        for name, network in here.found["network"].items():
            if labels("network", network).get(ENGINE_LABEL) == "pulumi":
                raise Refused(f"network {name} says that Pulumi made this stack: use `pulumi up` and `pulumi destroy`")


def _refuse_foreign(objects: Iterable[Declared], present: Mapping[str, Present]) -> None:
    for one in objects:
        kind, name = KINDS[one.type], str(one.inputs["name"])
        if name in present[place_of(one)].foreign[kind]:
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
    if change.kind != "container" or change.found is None:
        return False
    role = labels("container", change.found).get(ROLE_LABEL)
    serves = change.declared is None or change.declared.inputs.get("mustRun", True)  # a holder of files serves nothing
    return bool(role in STATEFUL and serves and change.found["State"]["Status"] != "created")


def _removals(objects: Iterable[Declared], present: Mapping[str, Present], places: Collection[str]) -> list[Change]:
    """Return what is no longer declared, containers before the networks they are on. Volumes stay: they hold data."""
    wanted = {(KINDS[one.type], one.inputs["name"]) for one in objects}
    gone: dict[tuple[str, str], Change] = {}
    for kind in ("container", "network"):
        for here in present.values():
            for name, data in here.found[kind].items():
                place = labels(kind, data).get(PLACE_LABEL, "")
                if (kind, name) not in wanted and place in places:
                    why = ("left by an up that was killed",) if name.endswith(PROVISIONAL) else ("no longer declared",)
                    gone[kind, name] = Change(verb="remove", kind=kind, name=name, place=place, why=why, found=data)
    return list(gone.values())


def _declared_changes(objects: list[Declared], present: Mapping[str, Present]) -> list[Change]:
    changes: list[Change] = []
    key_of = {one.urn: (KINDS[one.type], str(one.inputs["name"])) for one in objects}
    for one in sorted(objects, key=lambda one: list(KINDS).index(one.type)):  # stable: networks, volumes, containers
        kind, name = key_of[one.urn]
        here = present[place_of(one)]
        verb, why = compare(one, here, {change.name for change in changes if change.kind == "network"})
        if not verb:
            continue
        after = {key_of[urn] for urn in one.options.depends_on if urn in key_of}
        after |= {("network", network) for network in container.networks(one.inputs)}
        after |= {("volume", str(volume.get("volumeName"))) for volume in one.inputs.get("volumes", [])}
        changes.append(
            Change(
                verb=verb,
                kind=kind,
                name=name,
                place=place_of(one),
                why=why,
                declared=one,
                found=here.found[kind].get(name),
                after=frozenset(after & {change.key for change in changes}),
            )
        )
    return changes
