"""Runs the Pulumi program in-process and keeps what it declares, with options and in order of dependency.

The SDK's test hook stands in for Pulumi's engine. It runs as a preview: whatever a provider would compute stays
unknown, so a program that uses such an output is told so here, before anything is changed anywhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from google.protobuf import json_format  # type: ignore[import-untyped]

from infra.settings import SettingsError

SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - how Pulumi's wire format marks a secret
SIGNATURE = "4dabf18193072939515e22adb298388d"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


class DeclarationError(SettingsError):
    """The program declares what cannot be carried out; the message says which resource and what to do."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What Pulumi calls resource options. `depends_on` holds URNs; `provider` is the URN of an explicit provider."""

    provider: str = ""
    depends_on: tuple[str, ...] = ()
    protect: bool = False
    retain_on_delete: bool = False


@dataclass(frozen=True, kw_only=True)
class Declared:
    """One registered resource. `inputs` have the wire's names (camelCase); `secrets` are the inputs marked secret."""

    type: str
    name: str
    urn: str
    custom: bool
    inputs: dict[str, Any]
    secrets: frozenset[str] = frozenset()
    options: Options = field(default_factory=Options)


def collect(declare: Callable[[], None], *, stack: str = "dev", project: str = "separuh") -> list[Declared]:
    """Run `declare` and return every resource it registers, each after all it depends on.

    Raises DeclarationError where an input is a provider's output, and whatever `declare` itself raises.
    """
    # Pulumi keeps its runtime in context variables and an event loop of the thread: a thread of our own leaves
    # nothing behind, so this runs any number of times in one process.
    with ThreadPoolExecutor(1, "collect") as thread:
        registered = thread.submit(_registered, declare, stack, project).result()
    return [_declared(request, urn) for request, urn in registered]


def _registered(declare: Callable[[], None], stack: str, project: str) -> list[tuple[Any, str]]:
    import pulumi.runtime  # noqa: PLC0415 - 0.5 s: only who collects pays for it
    from pulumi.runtime.mocks import MockCallArgs, MockMonitor, MockResourceArgs, Mocks  # noqa: PLC0415

    registered: list[tuple[Any, str]] = []

    class Echo(Mocks):
        """Answers with the inputs alone, and with no id, as a preview does."""

        def call(self, args: MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
            raise DeclarationError(
                f"the program calls {args.token}, which only a provider can answer: use the settings"
            )

        def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
            return "", args.inputs

    class Recorder(MockMonitor):
        """Keeps each registration as it came over the wire, options included, which Mocks is not shown."""

        def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the name of the call on the wire
            response = super().RegisterResource(request)  # type: ignore[no-untyped-call]
            if request.type != "pulumi:pulumi:Stack":
                registered.append((request, response.urn))
            return response

    mocks = Echo()
    asyncio.set_event_loop(loop := asyncio.new_event_loop())
    try:
        pulumi.runtime.set_mocks(mocks, project=project, stack=stack, preview=True, monitor=Recorder(mocks))
        pulumi.runtime.test(declare)()  # type: ignore[no-untyped-call]
    finally:
        loop.close()
    return registered


def _declared(request: Any, urn: str) -> Declared:
    secrets: set[str] = set()
    inputs = {
        key: _plain(value, f"{request.type} {request.name}: {key}", partial(secrets.add, key))
        for key, value in json_format.MessageToDict(request.object).items()
        if value is not None
    }
    return Declared(
        type=request.type,
        name=request.name,
        urn=urn,
        custom=request.custom,
        inputs=inputs,
        secrets=frozenset(secrets),
        options=Options(
            provider=request.provider.rpartition("::")[0],  # <urn>::<id>
            depends_on=tuple(sorted(request.dependencies)),
            protect=request.protect,
            retain_on_delete=request.retainOnDelete,
        ),
    )


def _plain(value: Any, where: str, secret: Callable[[], None]) -> Any:
    """Return `value` without the wire's wrapping, telling `secret` where one was unwrapped."""
    if value == UNKNOWN:
        raise DeclarationError(f"{where} is an output that only a provider can compute: name it in the program instead")
    if isinstance(value, dict):
        if value.get(SIGNATURE) == SECRET_SIGNATURE:
            secret()
            return _plain(value["value"], where, secret)
        return {key: _plain(part, f"{where}.{key}", secret) for key, part in value.items() if part is not None}
    if isinstance(value, list):
        return [_plain(part, f"{where}[{index}]", secret) for index, part in enumerate(value)]
    if isinstance(value, float) and value.is_integer():
        return int(value)  # the wire has no integers
    return value
