"""The exact fingerprint of a cluster: every row of every table by chunk, and all else that it holds, by name.

It does not depend on where rows lie, so a copy at the same point of the log has the same one. Whoever takes it sees to
it that one state is seen throughout: every question is asked in one snapshot, or the server has no client.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from functools import reduce
from operator import add
from typing import Any, Protocol

from runbooks.adapters import content, definitions
from runbooks.adapters.content import Digest, Layout
from runbooks.core.command import Query, T
from runbooks.core.errors import SeparuhError

Sequences = Mapping[str, str]  # how far each has come, by name
FORMAT = 1
AT_ONCE = 4
SESSIONS = 2


class Asked(Protocol):
    """Whatever answers queries: a `Host`."""

    def ask(self, question: Query[T]) -> T:
        """Return the answer."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table: how it is cut, and the digest of each chunk that has rows."""

    layout: Layout
    chunks: Mapping[int, Digest] = field(default_factory=dict)

    @property
    def whole(self) -> Digest:
        """Return the digest of all rows, which does not depend on how the table is cut."""
        return reduce(add, self.chunks.values(), Digest())


@dataclass(frozen=True, kw_only=True)
class Fingerprint:
    """A cluster's tables by name (`database.schema.table`), and its parts: definitions by name, by part.

    Parts are roles, databases, tablespaces and settings, and a database's schema, extensions and sequences.
    """

    tables: Mapping[str, Table]
    parts: Mapping[str, Mapping[str, str]]

    @property
    def rows(self) -> int:
        """Return how many rows there are in all tables."""
        return sum(table.whole.rows for table in self.tables.values())

    def dump(self) -> str:
        """Return the fingerprint as JSON, the same text for the same fingerprint."""
        tables = {name: _dumped(table) for name, table in self.tables.items()}
        values = {"format": FORMAT, "tables": tables, "parts": self.parts}
        return json.dumps(values, sort_keys=True, ensure_ascii=False, separators=(",", ":")) + "\n"

    @classmethod
    def parse(cls, text: str) -> Fingerprint:
        """Return the fingerprint that `dump` wrote. SeparuhError if it is none, or of another format."""
        try:
            values = json.loads(text)
            if values["format"] != FORMAT:
                raise SeparuhError(f"a fingerprint of format {values['format']}, this checkout reads {FORMAT}")
            tables = {name: _parsed(table) for name, table in values["tables"].items()}
            return cls(tables=tables, parts=values["parts"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SeparuhError(f"this is no fingerprint ({type(error).__name__}: {error})") from error


def take(
    host: Asked,
    within: float,
    like: Fingerprint | None = None,
    sequences: Mapping[str, Sequences] | None = None,
    sessions: int = SESSIONS,
) -> Fingerprint:
    """Take the fingerprint of the cluster behind `host`; one database may take `within` seconds.

    `like` is the one it will be compared with: its tables are cut in the same way. `sequences` is how far they had
    come, by database, where it was asked before. So many `sessions` at once read a database's rows. CommandFailed if
    anything cannot be read, as where a page is damaged: a fingerprint is whole or there is none.
    """
    tables: dict[str, Table] = {}
    parts: dict[str, dict[str, str]] = {}
    for question in (definitions.of_cluster(), definitions.settings()):
        _merge(parts, host.ask(question), "")
    databases = host.ask(content.databases())
    # Most databases of a cluster are empty, and all that they cost is the way there.
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(lambda database: _of(host, database, within, like, sequences, sessions), databases)
        for database, (held, defined) in zip(databases, found, strict=True):
            tables |= held
            _merge(parts, defined, f"{database}: ")
    return Fingerprint(tables=tables, parts=parts)


def _of(
    host: Asked,
    database: str,
    within: float,
    like: Fingerprint | None,
    sequences: Mapping[str, Sequences] | None,
    sessions: int,
) -> tuple[dict[str, Table], definitions.Definitions]:
    """Return the tables and definitions of one database."""
    cut = _cut(host, database, within, like)
    found = _digests(host, cut, within, sessions)
    reached = host.ask(reach(host, database)) if sequences is None else sequences[database]
    defined = host.ask(definitions.of_database(database))
    tables = {layout.name: Table(layout=layout, chunks=found[layout.name]) for layout in cut}
    return tables, {**defined, "sequences": reached}


def _digests(host: Asked, cut: Sequence[Layout], within: float, sessions: int) -> dict[str, dict[int, Digest]]:
    """Return the digests by table and chunk. Each session reads its part of every table's blocks, and they add up."""
    if not any(table.chunks > 1 for table in cut):
        sessions = 1  # what is small costs no more than the way there
    blocks = host.ask(content.blocks(cut[0].database)) if sessions > 1 else {}
    questions = [content.digests(cut, within, content.Part(n, sessions, blocks)) for n in range(sessions)]
    found: dict[str, dict[int, Digest]] = {table.name: {} for table in cut}
    with ThreadPoolExecutor(sessions) as pool:
        for part in pool.map(host.ask, questions):
            for name, chunks in part.items():
                for chunk, digest in chunks.items():
                    found[name][chunk] = found[name].get(chunk, Digest()) + digest
    return found


def reach(host: Asked, database: str) -> Query[Sequences]:
    """Return the question how far each sequence of a database has come, which no snapshot holds still."""
    found = host.ask(definitions.sequences(database))
    return definitions.reached(database, found)


def _cut(host: Asked, database: str, within: float, like: Fingerprint | None) -> list[Layout]:
    """Return the database's tables, each cut as in `like` where it is the same table there."""
    known = {name: table.layout for name, table in like.tables.items()} if like else {}
    here = host.ask(content.layouts(database))
    cut = [known[each.name] if _same(each, known.get(each.name)) else each for each in here]
    new = [each for each in cut if each.name not in known and each.ranged and each.chunks > 1]
    starts = host.ask(content.bounds(new, within)) if new else {}
    return [replace(each, bounds=starts.get(each.name, each.bounds)) for each in cut]


def _same(here: Layout, there: Layout | None) -> bool:
    return there is not None and (here.key, here.columns, here.ranged) == (there.key, there.columns, there.ranged)


def _merge(parts: dict[str, dict[str, str]], found: definitions.Definitions, prefix: str) -> None:
    for part, named in found.items():
        parts.setdefault(part, {}).update({f"{prefix}{name}": text for name, text in named.items()})


def _dumped(table: Table) -> dict[str, Any]:
    chunks = [[n, digest.rows, f"{digest.sums[0]:016x}{digest.sums[1]:016x}"] for n, digest in table.chunks.items()]
    return {**asdict(table.layout), "digests": sorted(chunks)}


def _parsed(values: Mapping[str, Any]) -> Table:
    layout: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    chunks = layout.pop("digests")
    return Table(
        layout=Layout(**layout),
        chunks={n: Digest(rows, (int(sums[:16], 16), int(sums[16:], 16))) for n, rows, sums in chunks},
    )
