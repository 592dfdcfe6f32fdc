"""Ceph, the object store of a site that has none of its own: how much it still takes. Runs in its `store` container."""

from __future__ import annotations

import json
from dataclasses import dataclass

from runbooks.core.command import Command

BLOCKED = "full"  # the state of an OSD whose writers Ceph keeps waiting, for as long as it takes

# Ceph's own tools take a second of CPU and want a manager, which there is none of. What is used the OSD counts, and
# tells at its admin socket; the ratios, and whether it is full, stand in the map that the monitor gives out.
_ASK = """
import json, os, rados, socket, struct

def counters():
    with socket.socket(socket.AF_UNIX) as door:
        door.settimeout(5)
        door.connect("/run/ceph/osd.0.asok")
        door.sendall(b'{"prefix": "perf dump", "logger": "osd"}\\0')
        with door.makefile("rb") as answer:
            (size,) = struct.unpack(">I", answer.read(4))
            return json.loads(answer.read(size))["osd"]

patience = {"client_mount_timeout": "5", "rados_mon_op_timeout": "5"}
with rados.Rados(conffile="/run/ceph/ceph.conf", conf=patience) as monitor:
    code, told, said = monitor.mon_command(json.dumps({"prefix": "osd dump", "format": "json"}), b"")
map, counted = json.loads(told), counters()
file, disk = os.stat("/data/osd/block"), os.statvfs("/data")
print(json.dumps({
    "size": counted["stat_bytes"],
    "available": counted["stat_bytes_avail"],
    "nearfull_ratio": map["nearfull_ratio"],
    "full_ratio": map["full_ratio"],
    "state": map["osds"][0]["state"],
    "not_taken": max(0, file.st_size - file.st_blocks * 512),
    "disk_free": disk.f_bavail * disk.f_frsize,
}))
"""


@dataclass(frozen=True, kw_only=True)
class Room:
    """How full a store is, in bytes. It warns from `near` used on, and makes writers wait from `full` on.

    `blocked`: it does so now. `disk`: what its disk still has, `wanted`: what its file may still take from the disk.
    """

    size: int
    used: int
    near: int
    full: int
    blocked: bool
    disk: int
    wanted: int

    @property
    def by_disk(self) -> bool:
        """Whether the disk ends before the file has all that was promised to it."""
        return self.disk < min(self.wanted, self.full - self.used)

    @property
    def free(self) -> int:
        """What can still be written."""
        if self.blocked:
            return 0
        return max(0, self.disk if self.by_disk else self.full - self.used)


def room() -> Command[Room]:
    """Ask the store itself how much it can still take, by its own limits and by its disk's."""
    return Command(argv=("python3", "-"), stdin=_ASK, parse=_room, within=10)


def _room(output: str) -> Room:
    told = json.loads(output)
    size = told["size"]
    return Room(
        size=size,
        used=size - told["available"],
        near=int(size * told["nearfull_ratio"]),
        full=int(size * told["full_ratio"]),
        blocked=BLOCKED in told["state"],
        disk=told["disk_free"],
        wanted=told["not_taken"],
    )
