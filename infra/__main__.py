"""The Pulumi program: what `pulumi up` runs. The embedded engine runs the same `declare`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# Pulumi puts this folder first on the path, where `secrets` and `site` would hide the standard library's own.
HERE = Path(__file__).resolve().parent
sys.path[:] = [str(HERE.parent), *(entry for entry in sys.path if Path(entry or os.curdir).resolve() != HERE)]

import pulumi  # noqa: E402

from infra.choice import refuse_embedded  # noqa: E402
from infra.engines import Engines  # noqa: E402
from infra.estate import declare  # noqa: E402
from infra.overrides import refuse_overrides  # noqa: E402
from infra.prepare import Prepared, foresee, prepare  # noqa: E402
from infra.settings import ROOT, SettingsError, load  # noqa: E402


def prepared(engines: Engines) -> Prepared:
    """Return secrets and pins; a preview makes nothing, neither files nor images.

    A place that does not answer gets a warning: `--target` may work without it.
    """
    places = engines.answering(pulumi.log.warn)
    refuse_embedded(engines, places)
    if pulumi.runtime.is_dry_run():
        return foresee(engines, ROOT)
    return prepare(engines, ROOT, pulumi.log.info, () if places == engines.places else places)


def main() -> None:
    """Declare the estate of the selected stack. What an operator has to mend is told without a traceback."""
    try:
        settings = load(pulumi.get_stack())
        refuse_overrides(ROOT / f"Pulumi.{settings.stack}.yaml", pulumi.runtime.get_config)
        with Engines(settings) as engines:
            values = prepared(engines)
        declare(settings, values.secrets, values.pins)
    except SettingsError as error:
        raise pulumi.RunError(str(error)) from error


main()
