"""Foreign keys of a database, looked at row by row: PostgreSQL checks them when a row is written, and never again."""

from __future__ import annotations

from runbooks.adapters.content import exact
from runbooks.core.command import Query

# One query for each key, made from the catalog: how many rows refer to one that is not there (MATCH SIMPLE).
# `exact` reads tables and never an index, which may be what is wrong.
ORPHANS = r"""
SELECT format('SELECT %L, count(*) FROM %s AS c WHERE %s AND NOT EXISTS (SELECT FROM %s AS p WHERE %s)',
              format('%s of %s', quote_ident(o.conname), o.conrelid::regclass), o.conrelid::regclass,
              string_agg(format('c.%I IS NOT NULL', a.attname), ' AND '), o.confrelid::regclass,
              string_agg(format('p.%I = c.%I', b.attname, a.attname), ' AND '))
  FROM pg_constraint AS o
 CROSS JOIN LATERAL unnest(o.conkey, o.confkey) AS k (here, there)
  JOIN pg_attribute AS a ON a.attrelid = o.conrelid AND a.attnum = k.here
  JOIN pg_attribute AS b ON b.attrelid = o.confrelid AND b.attnum = k.there
 WHERE o.contype = 'f' AND o.conparentid = 0
 GROUP BY o.oid, o.conname, o.conrelid, o.confrelid
\gexec
"""


def orphans(database: str, within: float) -> Query[dict[str, int]]:
    """Ask, for each foreign key of a database, how many rows refer to nothing."""
    return Query(
        sql=exact(ORPHANS, within),
        parse=lambda rows: {str(name): int(count or 0) for name, count in rows},
        database=database,
        within=within,
    )
