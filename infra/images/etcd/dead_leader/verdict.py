"""When a leader is taken for dead: a function of what was seen, and of nothing else. Durations are seconds.

Times are those of a clock that is never set and goes on while the machine sleeps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

LOOKS = 3  # at least so many in a row
NOT_STREAMING = 2  # the last so many of them, in which the standby must get nothing
GAP = 3.0  # the longest from one look's beginning to the next, and to the verdict: a longer one was not looking


@dataclass(frozen=True, kw_only=True)
class View:
    """The cluster as a majority of etcd has it. Revisions are those of a key's last change, 0 where there is no key.

    `left` of the leader's lease, `granted` to it at each renewal. `ready`: no pause, no move under way, synchronous.
    """

    leader: str
    lease: str
    granted: float
    left: float
    synced_leader: str
    synced: frozenset[str]
    sync: str  # the key's value
    revisions: tuple[tuple[str, int], ...]  # of all keys that a living leader or an operator would write, by name
    loop_wait: float
    ready: bool

    @property
    def age(self) -> float:
        """Return how long the lease has certainly not been renewed: etcd rounds what is left of it down."""
        return self.granted - self.left - 1


@dataclass(frozen=True, kw_only=True)
class Standby:
    """What a standby says of itself."""

    name: str
    healthy: bool  # its PostgreSQL runs, in recovery
    synchronous: bool  # it is named in the key of the synchronous standbys that it knows
    streams: bool


@dataclass(frozen=True, kw_only=True)
class Look:
    """One look. `view` is None where etcd gave none, `standby` where it did not answer or was not asked."""

    began: float
    ended: float
    view: View | None
    leader_answers: bool  # its Patroni or its PostgreSQL, with anything at all
    standby: Standby | None


@dataclass(frozen=True)
class Dead:
    """The verdict, and the view whose keys must stand as they did."""

    view: View
    standby: str


def judge(looks: Sequence[Look], now: float, silence: float) -> Dead | str:
    """Return the verdict on the leader of the last look, or why there is none.

    `silence`: how long it must have been seen silent, and how long after a renewal was due there must have been none.
    """
    row = in_a_row(looks)
    if not row or row[-1].view is None:
        return "nothing is seen"
    view = row[-1].view
    if not row[-1].ended <= now <= row[-1].began + GAP:
        return "the last look is too old"
    if why := _not_ours(view) or _not_silent(row, view, silence):
        return why
    standbys = [look.standby for look in row[-NOT_STREAMING:]]
    for standby in standbys:
        if why := _not_fit(standby, view):
            return f"{view.leader} is silent, but {why}"
    assert standbys[-1]
    return Dead(view, standbys[-1].name)


def in_a_row(looks: Sequence[Look]) -> list[Look]:
    """Return the last look, and before it those in which the leader was silent all along and without a gap.

    Whatever changed in between begins the row anew: an answer, a key that was written, a lease that has grown.
    """
    row: list[Look] = []
    for look in reversed(looks):
        if look.view is None or not 0 <= look.ended - look.began <= GAP:
            break
        if row and (row[-1].leader_answers or look.leader_answers or not _goes_on(look, row[-1])):
            break
        row.append(look)
    return row[::-1]


def _goes_on(look: Look, after: Look) -> bool:
    """Say whether nothing has happened between two looks, neither here nor to the cluster."""
    if look.view is None or after.view is None or not holds(look.view, after.view):
        return False
    return look.ended <= after.began <= look.began + GAP


def holds(view: View, later: View) -> bool:
    """Say whether nothing was written and nothing renewed between two views."""
    return later.left <= view.left and replace(view, left=later.left) == later


def _not_ours(view: View) -> str:
    """Say why this cluster is not to be touched, "" where it may be."""
    if not view.leader:
        return "nobody leads"
    if not view.ready:
        return "the cluster is paused, is being moved, or is not synchronous"
    if view.synced_leader != view.leader or not view.synced:
        return f"no standby is in sync with {view.leader}"
    return ""


def _not_silent(row: Sequence[Look], view: View, silence: float) -> str:
    """Say what speaks for the leader, "" where nothing does."""
    if row[-1].leader_answers:
        return f"{view.leader} answers"
    seen = row[-1].began - row[0].began
    if len(row) < LOOKS or seen < silence:
        return f"{view.leader} is silent for {seen:.1f} s"
    if view.age < silence + view.loop_wait:
        return f"{view.leader} is silent, but renewed its lease, it may be, {max(0.0, view.age):.0f} s ago"
    return ""


def _not_fit(standby: Standby | None, view: View) -> str:
    """Say why a standby may not take over, "" where it may."""
    if standby is None:
        return "no standby answers"
    if standby.name not in view.synced or not standby.synchronous:
        return f"{standby.name} is not in sync"
    if not standby.healthy:
        return f"{standby.name} is not well"
    return f"{standby.name} still streams from it" if standby.streams else ""
