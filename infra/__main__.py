"""The Pulumi program: what `pulumi up` runs. The embedded engine runs the same `declare`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# Pulumi puts this folder first on the path, where `secrets` and `site` would hide the standard library's own.
HERE = Path(__file__).resolve().parent
sys.path[:] = [str(HERE.parent), *(entry for entry in sys.path if Path(entry or os.curdir).resolve() != HERE)]

import pulumi  # noqa: E402

from infra.engines import Engines, EngineUnreachable  # noqa: E402
from infra.estate import declare  # noqa: E402
from infra.overrides import refuse_overrides  # noqa: E402
from infra.prepare import Prepared, foresee, prepare  # noqa: E402
from infra.settings import ROOT, load  # noqa: E402


def answering(engines: Engines) -> tuple[str, ...]:
    """Return the places whose engine answers, with a warning for each other: `--target` may work without it."""
    places = []
    for place in engines.places:
        try:
            engines.client(place)
            places.append(place)
        except EngineUnreachable as error:
            pulumi.log.warn(str(error))
    return tuple(places)


def prepared(engines: Engines) -> Prepared:
    """Return secrets and pins; a preview makes nothing, neither files nor images."""
    if pulumi.runtime.is_dry_run():
        return foresee(engines, ROOT)
    places = answering(engines)
    return prepare(engines, ROOT, pulumi.log.info, () if places == engines.places else places)


def main() -> None:
    """Declare the estate of the selected stack."""
    settings = load(pulumi.get_stack())
    refuse_overrides(ROOT / f"Pulumi.{settings.stack}.yaml", pulumi.runtime.get_config)
    with Engines(settings) as engines:
        values = prepared(engines)
    declare(settings, values.secrets, values.pins)


main()
