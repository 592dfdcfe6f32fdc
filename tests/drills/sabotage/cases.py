"""What is broken, when, and which check of a drill must find it. One more case is one more entry here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from runbooks.core.run import Act
from runbooks.parts import proof, throwaway
from tests.drills.sabotage.breaking import (
    another_key,
    backup_object,
    everything_deleted,
    expired,
    flipped,
    gone,
    segment_of_the_point,
    shell,
    shell_while_stopped,
    sql,
)

# The step before which a case breaks something.
IN_THE_REPOSITORY, IN_ITS_FILES, IN_THE_COPY = throwaway.restore, throwaway.start, proof.prove_content


@dataclass(frozen=True, kw_only=True)
class Case:
    """`breaks` is done before the step that does `before`, and `caught_by` is the check that must fail then.

    `says` is what its finding must tell. `missed_by` are checks that pass all the same: what is broken is what it is
    meant to be, and the check that catches it is needed. `always` is one of the few that are not left to `--all`.
    """

    breaks: Act
    before: Act
    caught_by: str
    says: str
    missed_by: tuple[str, ...] = ()
    always: bool = False


OTHER_CLUSTER = """
mkdir -m 0700 /data/other
initdb --pgdata /data/other --username postgres --data-checksums --encoding UTF8 --locale C.UTF-8 > /dev/null
cp "$1/postgresql.auto.conf" "$1/recovery.signal" /data/other
mv "$1" /data/restored
mv /data/other "$1"
"""

# The row goes and comes back as it was, while one index of its table does not listen.
INDEX = """
SET session_replication_role = replica;
UPDATE pg_index SET indisready = false WHERE indexrelid = 'loan_account'::regclass;
CREATE TEMP TABLE moved AS SELECT * FROM loan LIMIT 1;
DELETE FROM loan USING moved WHERE loan.id = moved.id;
INSERT INTO loan SELECT * FROM moved;
UPDATE pg_index SET indisready = true WHERE indexrelid = 'loan_account'::regclass;
"""

# The page's last bytes are the time of its first row; all checksums are computed anew behind it.
UNDER_CHECKSUMS = """
file=$1/$(psql -XAtq --dbname "$2" --command "SELECT pg_relation_filepath('posting')")
pg_ctl stop --silent --mode=fast --pgdata "$1"
byte=$(od -An -tu1 -j8184 -N1 "$file")
printf "\\\\$(printf %o $((byte ^ 1)))" | dd of="$file" bs=1 seek=8184 conv=notrunc 2> /dev/null
pg_checksums --disable --pgdata "$1" > /dev/null
pg_checksums --enable --pgdata "$1" > /dev/null
"""

CASES: Mapping[str, Case] = {
    "a flipped bit in the repository": Case(
        breaks=backup_object(flipped),
        before=IN_THE_REPOSITORY,
        caught_by="target",
        says="raised from local-",  # by whom depends on the bit: what decompresses, or the checksum behind it
        always=True,
    ),
    "an object deleted": Case(
        breaks=backup_object(gone),
        before=IN_THE_REPOSITORY,
        caught_by="target",
        says="unable to open missing file",
    ),
    "every object deleted by the backup's own key": Case(
        breaks=everything_deleted,
        before=IN_THE_REPOSITORY,
        caught_by="target",
        says=" --as-of ",
    ),
    "a missing segment": Case(
        breaks=segment_of_the_point(gone),
        before=IN_THE_REPOSITORY,
        caught_by="target",
        says="recovery ended before configured recovery target was reached",
        always=True,
    ),
    "another key": Case(
        breaks=another_key,
        before=IN_THE_REPOSITORY,
        caught_by="target",
        says="backup.info cannot be opened",
    ),
    "an expired backup": Case(
        breaks=expired,
        before=IN_THE_REPOSITORY,
        caught_by="target",
        says="is not valid",
    ),
    "another cluster's backup": Case(
        breaks=shell(OTHER_CLUSTER),
        before=IN_ITS_FILES,
        caught_by="target",
        says="FATAL:  recovery ",  # it ends too early, or, once the leader has moved, has no such timeline
    ),
    "a dropped table": Case(
        breaks=sql("DROP TABLE payment CASCADE"),
        before=IN_THE_COPY,
        caught_by="fingerprint",
        says="table credit.public.payment: missing in the copy",
        missed_by=("amcheck", "page_checksums"),
    ),
    "one rupiah in one row": Case(
        breaks=sql("UPDATE instalment SET principal = principal + 1 WHERE (loan_id, number) = (1, 1)"),
        before=IN_THE_COPY,
        caught_by="fingerprint",
        says="table credit.public.instalment, row (1,1): principal differs",
        missed_by=("amcheck", "page_checksums", "foreign_keys", "sequences"),
        always=True,
    ),
    "a lost sequence value": Case(
        breaks=sql("SELECT setval('account_id_seq', last_value - 1) FROM account_id_seq"),
        before=IN_THE_COPY,
        caught_by="sequences",
        says="public.account_id_seq",
        missed_by=("amcheck", "page_checksums", "fingerprint"),
    ),
    "an index that does not match its table": Case(
        breaks=sql(INDEX),
        before=IN_THE_COPY,
        caught_by="amcheck",
        says='lacks matching index tuple within index "loan_account"',
        missed_by=("fingerprint", "page_checksums", "schema"),
    ),
    "a changed byte under right checksums": Case(
        breaks=shell_while_stopped(UNDER_CHECKSUMS),
        before=IN_THE_COPY,
        caught_by="fingerprint",
        says="table credit.public.posting: ",
        missed_by=("amcheck", "page_checksums", "books"),
    ),
}
