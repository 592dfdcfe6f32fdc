"""Reading a repository's archive in a `backup` container, also where nothing is left of the data beside it."""

from __future__ import annotations

from dataclasses import dataclass

from runbooks.adapters.pgbackrest import program

# What is fetched comes to a folder of this call's own, two files at a time, and goes with it. pgBackRest compares the
# archive with a control file; where neither the data nor any that was kept has one, a backup's is restored, without
# the customers' database.
READING = """
at=$1 data=$2 database=$3 tools=$4
shift 4
folder=$(mktemp -d "$at/.log-XXXXXX") || exit 1
trap 'rm -rf "$folder"' EXIT
for control in "$data" "$data".before-* "$folder/control"; do
  [ -e "$control/global/pg_control" ] && break
done
if ! [ -e "$control/global/pg_control" ]; then
  mkdir -m 0700 "$control" || exit 1
  $tools --pg1-path="$control" --type=none --db-exclude="$database" restore || exit 1
fi
fetch() { printf '%s\\n' "$@" | xargs -P 2 -I% $tools --pg1-path="$control" archive-get % "$folder/%"; }
"""


@dataclass(frozen=True, kw_only=True)
class Archive:
    """One repository's archive as a container reads it: `path` is its data folder, `scratch` one that has room."""

    stanza: str
    repository: int
    path: str
    scratch: str

    def reading(self, script: str, *arguments: str) -> tuple[str, ...]:
        """Return the command line of `script`, whose arguments are these; it has `fetch FILE...` and `$folder`."""
        tools = " ".join(program(self.stanza, self.repository))
        given = (self.scratch, self.path, self.stanza, tools)
        return ("env", "TZ=UTC", "sh", "-c", READING + script, "sh", *given, *arguments)
