"""What a cluster has beside rows: each thing by name, with the text that defines it, so that two can be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from runbooks.adapters.content import exact
from runbooks.core.command import Query

Definitions = Mapping[str, Mapping[str, str]]
WITHIN = 120.0

SEQUENCES = """
SELECT s.seqrelid::regclass, s.seqincrement,
       format('%s by %s from %s within %s to %s, cache %s%s', format_type(s.seqtypid, NULL), s.seqincrement,
              s.seqstart, s.seqmin, s.seqmax, s.seqcache, CASE WHEN s.seqcycle THEN ', cycles' ELSE '' END)
  FROM pg_sequence AS s JOIN pg_class AS c ON c.oid = s.seqrelid WHERE c.relpersistence = 'p' ORDER BY 1
"""

# The log runs up to 32 values ahead of a sequence. A standby shows how far it is logged, and so does a copy whose page
# came out of the log; one whose page came out of the backup shows how far it was used. The sum is the same for all.
REACHED = """
SELECT '{position}', format('reaches %s%s', last_value::numeric + log_cnt::numeric * {increment},
                            CASE WHEN is_called THEN '' ELSE ', not used yet' END) FROM {sequence};
"""

# An oid is not a name: what refers to another object does so by regclass, regtype and the like.
OF_DATABASE = """
SELECT 'extensions', quote_ident(extname), format('version %s in %s', extversion, extnamespace::regnamespace)
  FROM pg_extension
UNION ALL
SELECT 'schema', format('schema %I', nspname), format('owner %s, %s', nspowner::regrole, nspacl)
  FROM pg_namespace WHERE nspname !~ '^pg_(toast|temp)'
UNION ALL
SELECT 'schema', format('relation %s', c.oid::regclass),
       format('kind %s%s, owner %s, %s, %s, rows secured %s %s, populated %s, part of %s %s', c.relkind,
              c.relpersistence, c.relowner::regrole, c.relacl, c.reloptions, c.relrowsecurity, c.relforcerowsecurity,
              c.relispopulated,
              (SELECT string_agg(inhparent::regclass::text, ',' ORDER BY inhseqno) FROM pg_inherits
                WHERE inhrelid = c.oid), pg_get_expr(c.relpartbound, c.oid))
       || CASE WHEN c.relkind IN ('v', 'm') THEN E'\\n' || pg_get_viewdef(c.oid) ELSE '' END
       || CASE WHEN c.relkind = 'p' THEN E'\\n' || pg_get_partkeydef(c.oid) ELSE '' END
  FROM pg_class AS c JOIN ours ON ours.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
UNION ALL
SELECT 'schema', format('column %s.%I', c.oid::regclass, a.attname),
       format('%s, at %s%s%s%s%s, default %s, %s', format_type(a.atttypid, a.atttypmod), a.attnum,
              CASE WHEN a.attnotnull THEN ', not null' END, ', identity ' || nullif(a.attidentity::text, ''),
              ', generated ' || nullif(a.attgenerated::text, ''),
              ', collate ' || nullif(a.attcollation, 0)::regcollation::text, pg_get_expr(d.adbin, d.adrelid), a.attacl)
  FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid JOIN ours ON ours.oid = c.relnamespace
  LEFT JOIN pg_attrdef AS d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c') AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT 'schema', format('index %s', i.indexrelid::regclass),
       pg_get_indexdef(i.indexrelid) || CASE WHEN i.indisvalid THEN '' ELSE ', invalid' END
  FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN ours ON ours.oid = c.relnamespace
UNION ALL
SELECT 'schema', format('constraint %I on %s', o.conname,
                        CASE WHEN o.conrelid = 0 THEN o.contypid::regtype::text ELSE o.conrelid::regclass::text END),
       pg_get_constraintdef(o.oid) FROM pg_constraint AS o JOIN ours ON ours.oid = o.connamespace
UNION ALL
SELECT 'schema', format('trigger %I on %s', tgname, tgrelid::regclass),
       format('%s, enabled %s', pg_get_triggerdef(oid), tgenabled) FROM pg_trigger WHERE NOT tgisinternal
UNION ALL
SELECT 'schema', format('policy %I on %s', polname, polrelid::regclass),
       format('%s %s to %s using %s check %s', polcmd, polpermissive, polroles::regrole[],
              pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) FROM pg_policy
UNION ALL
SELECT 'schema', format('function %s', p.oid::regprocedure),
       format('owner %s, %s', p.proowner::regrole, p.proacl)
       || CASE WHEN p.prokind = 'a' THEN ', aggregate' ELSE E'\\n' || pg_get_functiondef(p.oid) END
  FROM pg_proc AS p JOIN ours ON ours.oid = p.pronamespace
UNION ALL
SELECT 'schema', format('type %s', t.oid::regtype),
       format('%s, owner %s, %s, domain over %s, labels %s', t.typtype, t.typowner::regrole, t.typacl,
              format_type(nullif(t.typbasetype, 0), t.typtypmod),
              (SELECT string_agg(quote_literal(enumlabel), ', ' ORDER BY enumsortorder) FROM pg_enum
                WHERE enumtypid = t.oid))
  FROM pg_type AS t JOIN ours ON ours.oid = t.typnamespace WHERE t.typtype IN ('d', 'e', 'r')
"""

# A definition may be longer than a field of psql's answer may be; its digest tells as well that it is another one.
SHORT = """
WITH ours AS (SELECT oid FROM pg_namespace
               WHERE nspname NOT IN ('pg_catalog', 'information_schema') AND nspname !~ '^pg_(toast|temp)')
SELECT part, name, CASE WHEN length(text) > 1000 THEN left(text, 900) || '... with md5 ' || md5(text) ELSE text END
  FROM ({definitions}) AS found (part, name, text);
"""

# Of a salted password's verifier a digest gives nothing away; one of any other kind could be guessed from it. A setting
# with a dot in its name is an application's own, and may be its key to something.
OF_CLUSTER = r"""
SELECT 'roles', quote_ident(r.rolname),
       concat_ws(', ', CASE WHEN r.rolsuper THEN 'superuser' END, CASE WHEN r.rolcanlogin THEN 'login' END,
           CASE WHEN r.rolinherit THEN 'inherit' END, CASE WHEN r.rolcreaterole THEN 'createrole' END,
           CASE WHEN r.rolcreatedb THEN 'createdb' END, CASE WHEN r.rolreplication THEN 'replication' END,
           CASE WHEN r.rolbypassrls THEN 'bypassrls' END, 'limit ' || nullif(r.rolconnlimit, -1),
           'until ' || r.rolvaliduntil,
           'password ' || CASE WHEN r.rolpassword LIKE 'SCRAM-SHA-256$%'
                               THEN encode(sha256(convert_to(r.rolpassword, 'UTF8')), 'hex')
                               WHEN r.rolpassword IS NOT NULL THEN 'of another kind' END,
           'member of ' || (SELECT string_agg(format('%s (%s)', m.roleid::regrole,
                                concat_ws(' ', CASE WHEN m.admin_option THEN 'admin' END,
                                               CASE WHEN m.inherit_option THEN 'inherit' END,
                                               CASE WHEN m.set_option THEN 'set' END)), ', '
                                ORDER BY m.roleid::regrole::text, m.grantor)
                              FROM pg_auth_members AS m WHERE m.member = r.oid))
  FROM pg_authid AS r
UNION ALL
SELECT 'databases', quote_ident(datname),
       format('owner %s, encoding %s, collate %s, ctype %s, provider %s, locale %s, template %s, connections %s, %s',
              datdba::regrole, pg_encoding_to_char(encoding), datcollate, datctype, datlocprovider, datlocale,
              datistemplate, CASE WHEN datallowconn THEN datconnlimit END, datacl) FROM pg_database
UNION ALL
SELECT 'tablespaces', quote_ident(spcname), format('owner %s, %s, %s', spcowner::regrole, spcacl, spcoptions)
  FROM pg_tablespace
UNION ALL
SELECT 'settings', format('%s in %s', v.name, concat_ws(' of ', d.datname, r.rolname)),
       CASE WHEN v.name LIKE '%.%' THEN encode(sha256(convert_to(v.value, 'UTF8')), 'hex') ELSE v.value END
  FROM pg_db_role_setting AS s CROSS JOIN unnest(s.setconfig) AS one
  CROSS JOIN LATERAL (SELECT split_part(one, '=', 1), substr(one, strpos(one, '=') + 1)) AS v (name, value)
  LEFT JOIN pg_database AS d ON d.oid = s.setdatabase LEFT JOIN pg_roles AS r ON r.oid = s.setrole
"""

# Asked without the settings that make texts exact, which would hide what the server has of its own. How a member
# reaches the leader is no part of what it holds, and has a password in it.
SETTINGS = """
SELECT 'settings', name, setting || coalesce(unit, '') FROM pg_settings
 WHERE source IN ('configuration file', 'command line') AND name <> 'primary_conninfo'
    OR name IN ('block_size', 'data_checksums', 'segment_size', 'server_encoding', 'server_version', 'wal_segment_size')
"""


def of_database(database: str) -> Query[Definitions]:
    """Ask for a database's extensions, and its schema: relations, columns, indexes, constraints, functions, types."""
    sql = exact(SHORT.format(definitions=OF_DATABASE), WITHIN)
    return Query(sql=sql, parse=_definitions, database=database, within=WITHIN)


def of_cluster() -> Query[Definitions]:
    """Ask for the roles, databases and tablespaces, and for what is set for one of them."""
    return Query(sql=exact(f"{OF_CLUSTER};", WITHIN), parse=_definitions, within=WITHIN)


def settings() -> Query[Definitions]:
    """Ask for the server's settings, without the defaults, and for the shape of its files."""
    return Query(sql=SETTINGS, parse=_definitions)


def sequences(database: str) -> Query[tuple[tuple[str, int, str], ...]]:
    """Ask for a database's sequences: name, increment, and how each is defined."""
    return Query(
        sql=exact(f"{SEQUENCES};", WITHIN),
        parse=lambda rows: tuple((str(name), int(step or 0), str(made)) for name, step, made in rows),
        database=database,
    )


def reached(database: str, found: Sequence[tuple[str, int, str]]) -> Query[Mapping[str, str]]:
    """Ask how far each of the sequences `found` has come, by name, with how it is defined."""
    return Query(
        sql=exact("".join(reaching(found)), WITHIN),
        parse=lambda rows: {found[int(n or 0)][0]: f"{said}; {found[int(n or 0)][2]}" for n, said in rows},
        database=database,
        within=WITHIN,
    )


def reaching(found: Sequence[tuple[str, int, str]]) -> list[str]:
    """Return the statements that `reached` asks, one a sequence."""
    return [
        REACHED.format(position=n, increment=increment, sequence=name) for n, (name, increment, _) in enumerate(found)
    ]


def _definitions(rows: list[tuple[str | None, ...]]) -> Definitions:
    found: dict[str, dict[str, str]] = {}
    for part, name, definition in rows:
        found.setdefault(str(part), {})[str(name)] = definition or ""
    return found
