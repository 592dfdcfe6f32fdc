"""The small stack's `up` as a process of its own, to be killed: a line for each change that was made."""

from __future__ import annotations

import sys
from pathlib import Path

from infra.collect import collect
from infra.embedded import apply
from infra.embedded_plan import plan
from infra.engines import Engines
from tests.infra.estate_of_three import program, settings

if __name__ == "__main__":
    stack, root = sys.argv[1], Path(sys.argv[2])
    with Engines(settings(root, stack)) as engines:
        planned = plan(collect(program(stack), stack=stack), engines)
        apply(planned, engines, lambda change, _: print(change.verb, change.name))
