"""The chunks in which a copy differs, narrowed to rows and columns against a copy from the other repository.

Evidence is read by many: it names tables, keys and columns, and no value of a column.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from runbooks.adapters.content import Layout
from runbooks.core.errors import SeparuhError
from runbooks.core.run import Run
from runbooks.parts import second
from runbooks.parts.apart import asked
from runbooks.parts.comparison import Difference, compare
from runbooks.parts.findings import checks, keep, said, short, usable
from runbooks.parts.fingerprint import take
from runbooks.parts.narrowing import narrow
from runbooks.parts.throwaway import copy, source


def narrow_differences(run: Run) -> None:
    """Say in the finding which rows and columns differ; where that cannot be found out, say why."""
    if run.planning:
        return
    try:
        lines = [*_lines(run)]
    except SeparuhError as failure:
        lines = [f"not narrowed to rows: {said(failure)}"]
    (found,) = [check for check in checks(run) if check.name == "fingerprint"]
    keep(run, replace(found, found="\n".join((found.found, short("\n".join(lines))))))
    run.remember("narrowed", True)


def are_narrowed(run: Run) -> bool:
    """Say whether there is nothing to narrow, or it was done."""
    return not usable(run) or not run.recall("differences") or bool(run.recall("narrowed"))


def _lines(run: Run) -> Iterator[str]:
    """Yield what is known of each chunk that differs."""
    within, alike = run.settings.drill.check_seconds, True
    if asked(run).kind == "newest":
        second.choose(run, 1)
        if not second.backup(run):
            yield f"not narrowed to rows: {run.recall('alone')}"
            return
        second.restore(run)
        if second.failed(run):
            yield f"not narrowed to rows: {second.failed(run)}"
            return
    suspects, where = _suspects(run, within), second.site(run).name
    yield f"its rows, beside those of a copy out of {where}'s repository:"
    for difference in _differences(run):
        if (difference.subject, difference.chunk) in suspects:
            alike = False
            continue
        for row in narrow(difference, second.host(run), copy(run), within):
            yield str(row)
    if not alike:
        yield f"the copy out of {where}'s repository differs from the stored fingerprint there too"


def _suspects(run: Run, within: float) -> set[tuple[str, int | None]]:
    """Return the chunks in which the other copy is not as the stored fingerprint says either."""
    if asked(run).kind != "newest":
        return set()
    known = source(run).fingerprint
    return {(each.subject, each.chunk) for each in compare(known, take(second.host(run), within, known))}


def _differences(run: Run) -> list[Difference]:
    layouts = [(_layout(each["layout"]), each["chunk"]) for each in run.recall("differences")]
    return [Difference(f"table {layout.name}", "", layout, chunk) for layout, chunk in layouts]


def _layout(told: dict[str, Any]) -> Layout:
    """Return a layout as it was noted: in JSON a tuple is a list."""
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in told.items()}
    return Layout(**values)
