"""Restore the whole cluster in earnest: to the newest point, a time, or right before a record or a transaction."""

from __future__ import annotations

import sys

from runbooks.adapters.table import named
from runbooks.core.consent import expect_name
from runbooks.core.errors import Exit, SeparuhError
from runbooks.core.procedure import carry_out
from runbooks.core.run import Run, Runbook, Step
from runbooks.core.session import open_stack
from runbooks.parts import fence, old_data, order, point, recovered, standby, target
from runbooks.parts.one_table import ONE_TABLE
from runbooks.parts.places import a_site_is_chosen, present, the_members_are_seen, the_store_answers
from runbooks.parts.release import RELEASE, say_what_is_kept

__all__ = ["ONE_TABLE", "RELEASE", "RUNBOOK", "release", "restore"]

CHANGED = "replace the database of the whole cluster"


def restore(stack: str, options: dict[str, str], confirm: str = "", plan: bool = False, resume: bool = False) -> Exit:
    """Restore as `options` (at, xid, lsn, timeline, backup, from, site, anyway, table) say.

    NotReady unless the stack's name is typed, or given by `confirm`: on a terminal the plan is shown first. One table
    alone touches nothing that is there, so nothing is asked.
    """
    arguments = {name: value for name, value in options.items() if value}
    target.chosen(arguments.get("at", ""), arguments.get("lsn", ""), arguments.get("xid", ""))
    settings, secrets = open_stack(stack)
    if not arguments.get("timeline", "1").isdecimal():
        raise SeparuhError(f"--timeline {arguments['timeline']}: a timeline is a number, as ./inv status shows it")
    for name in ("site", "from"):
        if name in arguments:
            settings.site(arguments[name])
    if "table" in arguments:
        named(arguments["table"])
        return carry_out(ONE_TABLE, settings, secrets, plan=plan, yes=True, resume=resume, arguments=arguments)
    if not (plan or resume):
        if not confirm and sys.stdin.isatty():
            carry_out(RUNBOOK, settings, secrets, plan=True, arguments=arguments)
        expect_name(settings, confirm, CHANGED)
    return carry_out(RUNBOOK, settings, secrets, plan=plan, yes=True, resume=resume, arguments=arguments)


def release(stack: str, run: str, confirm: str = "", plan: bool = False, resume: bool = False) -> Exit:
    """Remove what the restore `run` has kept, at both members. NotReady unless the stack's name is typed."""
    settings, secrets = open_stack(stack)
    if not (plan or resume):
        expect_name(settings, confirm, f"remove the old data that {run} has kept")
    return carry_out(RELEASE, settings, secrets, plan=plan, yes=True, resume=resume, arguments={"run": run})


def tell_what_is_kept(run: Run) -> None:
    """Say what is kept and how to be rid of it, and that the new timeline wants a backup of its own."""
    if run.planning:
        return
    say_what_is_kept(run, present(run))
    point.say(run, "the new timeline wants a backup of its own: ./inv backup")


BEFORE = (
    Step("Keep customers out", fence.keep_out, fence.are_out, fence.let_in),
    Step("Let Patroni leave everything as it is", fence.pause, fence.is_paused, fence.go_on, within=30),
    Step("Archive the leader's last words", old_data.archive_the_rest, old_data.rest_is_archived, within=120),
    Step("Stop PostgreSQL at each member", old_data.stop_all, old_data.all_stopped, old_data.start_old),
    Step("Set the old data aside", old_data.set_aside, old_data.is_aside, old_data.put_back),
    Step("Restore the backup", recovered.restore, recovered.is_restored, recovered.discard),
    Step("Recover it up to the point", recovered.recover, recovered.is_held, recovered.stop_again, within=30),
    Step("Look at what it holds", recovered.look, stage="test"),
    Step("Promote it", recovered.promote, recovered.takes_writes, point_of_no_return=True),
    Step("Hand it to Patroni as the leader", recovered.hand_over, recovered.is_handed_over),
    Step(
        "Archive the new timeline",
        recovered.archive_the_new,
        recovered.new_is_archived,
        stage="document",
        optional=True,
    ),
    Step("Hold the other member off", standby.hold_off, standby.is_held_off),
    Step("Let Patroni govern again", fence.go_on, fence.governs, within=30),
)
CUSTOMERS = (
    Step("Let customers in", fence.let_in, fence.are_in),
    Step("Commit through both routes", fence.prove_path, stage="test"),
)
STANDBY = (
    Step("Rebuild the standby", standby.rebuild, standby.is_in_sync, within=standby.REBUILT),
    Step(
        "Archive the new timeline there too",
        standby.archive_beginning,
        standby.beginning_is_archived,
        stage="document",
        optional=True,
    ),
    Step("Tell what is kept", tell_what_is_kept, stage="document"),
)


def steps(run: Run) -> tuple[Step, ...]:
    """Return the steps of `run`: with `durability: strict` nobody may pay before a standby holds what is paid."""
    if run.settings.database.durability == "strict":
        return (*BEFORE, STANDBY[0], *CUSTOMERS, *STANDBY[1:])
    return (*BEFORE, *CUSTOMERS, *STANDBY)


RUNBOOK = Runbook(
    name="restore",
    title="restore the whole cluster",
    prechecks=(
        the_members_are_seen,
        a_site_is_chosen,
        order.it_is_needed,
        the_store_answers,
        order.the_timeline_is_known,
        order.the_target_is_found,
        order.a_backup_leads_there,
        order.the_log_reaches_it,
        order.there_is_room,
    ),
    steps=steps,
    touches_serving=True,
)
