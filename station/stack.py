"""What stands on a disk, and which disks stand under a path.

`above` walks up from one disk: partitions, then whatever the kernel says is built on them (`holders`: dm, crypt,
LVM, md, bcache), loop devices laid over any of it, and their partitions, and so on. `below` walks down from a path:
its mount, the device of that mount, `slaves`, the file behind a loop device, the layers of an overlay. Nothing
is guessed. What cannot be told is returned in two lists: `unsure` (the kernel's tables cannot be read), and
`veiled` (a mount whose disks these tables do not show; only the kernel's own veto, `O_EXCL`, can tell).
"""

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from station.system import Device, Mount, System

# File systems that lie in memory, in the kernel or on another machine.
_NOT_HERE = "tmpfs ramfs rootfs devtmpfs proc sysfs devpts cgroup cgroup2 nfs nfs4 cifs smb3 9p virtiofs ceph"
NO_DISK = frozenset(_NOT_HERE.split())
DEEPEST = 16  # layers of loops and overlays followed before giving up as unsure


@dataclass
class Found:
    """What a walk found; `devices` maps each device to how it was reached, in words, `built` what is no partition."""

    devices: dict[Device, str] = field(default_factory=dict)
    built: list[str] = field(default_factory=list)
    unsure: list[str] = field(default_factory=list)
    veiled: list[str] = field(default_factory=list)


def above(disk: Device, system: System) -> Found:
    """Return the disk and everything that stands on it, each with a few words on how."""
    found = Found()
    try:
        everything = system.block_devices()
    except OSError as error:
        found.unsure.append(f"the kernel's list of block devices cannot be read ({error.strerror})")
        everything = []
    # The boot areas of an eMMC are disks of their own to the kernel, and parts of the same chip.
    same_chip = [d for d in everything if re.fullmatch(re.escape(disk.name) + r"(boot\d+|rpmb|gp\d+)", d.name)]
    waiting = [(disk, disk.node), *((part, f"{part.node} on the same chip") for part in same_chip)]
    while waiting:
        device, how = waiting.pop()
        if device in found.devices:
            continue
        found.devices[device] = how
        try:
            waiting += [(part, part.node) for part in device.partitions()]
            tops = [(top, f"{_title(top)} on {device.node}") for top in device.linked("holders")]
        except OSError as error:
            found.unsure.append(f"what is built on {device.node} cannot be read ({error.strerror})")
            tops = []
        tops += [
            (loop, f"{loop.node} over {device.node}")
            for loop in everything
            if (backing := loop.text("loop/backing_file")) and system.device_at(backing) == device
        ]
        found.built += [how for _, how in tops]
        waiting += tops
    return found


def below(path: str, system: System, mounts: list[Mount]) -> Found:
    """Return the disks that hold a path, with what cannot be told about them."""
    found = Found()
    _descend_path(path, system, mounts, found, DEEPEST)
    return found


def btrfs_members(system: System) -> dict[Device, str]:
    """Return the devices of every mounted btrfs, each with the file system's id; several may share one."""
    members = {}
    with suppress(OSError):
        for folder in sorted((system.root / "sys/fs/btrfs").iterdir()):
            with suppress(OSError):
                members.update({Device(link.resolve()): folder.name for link in (folder / "devices").iterdir()})
    return members


def active_pools(system: System, mounts: Iterable[Mount]) -> list[str]:
    """Return file systems in use that spread over disks which no table here names (ZFS, bcachefs)."""
    pools = {f"{m.fstype} {m.source.split('/')[0]}" for m in mounts if m.fstype == "zfs"}
    pools |= {f"bcachefs {m.source}" for m in mounts if m.fstype == "bcachefs"}
    with suppress(OSError):
        pools |= {f"zfs {p.name}" for p in (system.proc / "spl/kstat/zfs").iterdir() if p.is_dir()}
    return sorted(pools)


def mount_of(path: str, mounts: list[Mount]) -> Mount | None:
    """Return the mount a path lies on: the longest mount point above it, of several there the last."""
    parts = PurePosixPath(path)
    best = None
    for mount in mounts:
        if parts.is_relative_to(mount.point) and (best is None or len(mount.point) >= len(best.point)):
            best = mount
    return best


def _descend_path(path: str, system: System, mounts: list[Mount], found: Found, depth: int) -> None:
    """Add the disks under a path: by the file system's own device number and by the mount table."""
    path = os.path.realpath(path) if system.live else path
    numbers = []
    if system.live:
        place = Path(path)
        while not place.exists() and place != place.parent:
            place = place.parent
        with suppress(OSError):
            on = place.stat().st_dev
            numbers.append(f"{os.major(on)}:{os.minor(on)}")
    mount = mount_of(path, mounts)
    if mount:
        numbers.append(mount.number)
    devices = [device for number in dict.fromkeys(numbers) if (device := system.by_number(number))]
    for device in devices:
        _descend_device(device, system, mounts, found, depth)
    if not devices and mount:
        _descend_mount(mount, system, mounts, found, depth)
    elif not devices:
        found.unsure.append(f"which disk holds {path} cannot be told: no mount table names it")


def _descend_mount(mount: Mount, system: System, mounts: list[Mount], found: Found, depth: int) -> None:
    """Add the disks under a mount that has no block device of its own number."""
    source = system.device_at(mount.source)
    if source:
        members = btrfs_members(system) if mount.fstype == "btrfs" else {}
        same = [device for device, name in members.items() if name == members.get(source)]
        for device in {source, *same}:
            _descend_device(device, system, mounts, found, depth)
    elif mount.fstype == "overlay" and mount.layers() and depth:
        for layer in mount.layers():
            if mount_of(layer, mounts) in (mount, None):  # an old name, from before the root was switched
                found.veiled.append(f"{layer}, a layer of {mount.point}, cannot be seen from here")
            else:
                _descend_path(layer, system, mounts, found, depth - 1)
    elif mount.fstype not in NO_DISK:
        found.veiled.append(f"which disk is behind {mount.point} ({mount.fstype}) cannot be told")


def _descend_device(device: Device, system: System, mounts: list[Mount], found: Found, depth: int) -> None:
    """Add the whole disks that a device stands on, and the device itself."""
    disk = device.disk
    if disk in found.devices:
        return
    found.devices[disk] = disk.node
    if not depth:
        found.unsure.append(f"{device.node} stands on too many layers to follow")
        return
    try:
        for lower in disk.linked("slaves"):
            _descend_device(lower, system, mounts, found, depth - 1)
    except OSError as error:
        found.unsure.append(f"what {device.node} is built on cannot be read ({error.strerror})")
    backing = disk.text("loop/backing_file")
    if not backing:
        return
    under = system.device_at(backing)
    if under:
        _descend_device(under, system, mounts, found, depth - 1)
    elif backing.endswith(" (deleted)"):
        found.veiled.append(f"the file behind {disk.node} has no name any more")
    else:
        _descend_path(backing, system, mounts, found, depth - 1)


def _title(device: Device) -> str:
    """Name a device as people know it: device-mapper and md devices have names of their own."""
    name = device.text("dm/name") or device.text("md/metadata_version")
    return f"{device.node} ({name})" if name else device.node
