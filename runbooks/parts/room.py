"""What keeps a store from taking more, in words for an operator: its own limits, or its disk."""

from __future__ import annotations

from infra.settings import Settings, Site, container
from runbooks.adapters import ceph
from runbooks.adapters.ceph import Room
from runbooks.core.run import Run

LARGER = "Enlarge it (store_bytes of its site in separuh:sites, then ./inv up)"
LARGER_DISK = "Enlarge its volume"
LESS = ", or let less be kept (separuh:backup.retention_days; what is locked goes when its lock ends)"


def ask(run: Run, site: Site) -> Room | None:
    """Ask `site`'s store how full it is; a company's own cannot be asked."""
    return None if site.s3_endpoint else run.estate.member(site, "store").ask(ceph.room())


def shortage(settings: Settings, site: Site, room: Room) -> str:
    """Say what `site`'s store is short of, and what to do; "" where a backup has room."""
    name, need = container(settings, site, "store"), settings.backup.free_bytes
    used = f"{_mib(room.used)} of {_mib(room.size)} used"
    larger = LARGER_DISK if room.by_disk else LARGER
    if room.blocked:  # it lets nothing be removed either
        return f"{name} is full: {used}, and whoever writes waits until there is room. {larger}"
    if room.used >= room.near:
        return f"{name} is nearly full: {used}; from {_mib(room.full)} on whoever writes waits. {larger}{LESS}"
    if room.free < need:
        left = f"{_mib(room.free)} left {'on its disk' if room.by_disk else f'of {_mib(room.full)}'}"
        least = f"less than the {_mib(need)} of separuh:backup.free_bytes"
        return f"{name} is short of room: {left}, {least}. {larger}{LESS}"
    return ""


def _mib(size: int) -> str:
    return f"{size >> 20} MiB"
