"""Why something must not be touched: every reason, not only the first.

A block device is ours, and refused, when
 1. it is no whole disk of a known kind (a partition, a stacked or memory device, a loop device not allowed);
 2. it, or anything standing on it, is mounted in any namespace that can be read, or is swapped to;
 3. the station's own folders (`/`, `/boot`, home, the program, the journal) lie on it, through any stack;
 4. anything is built on it, mounted or not (dm, crypt, LVM, md, bcache, a loop device), or it belongs to a btrfs;
 5. it is read-only or empty, or sits outside the configured bays;
 6. the kernel itself says it is in use (`O_EXCL` gives EBUSY);
 7. any of this cannot be told: unsure counts as ours.
A regular file is refused unless it is a practice drive in nobody's use.
"""

import errno
import os
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from custody.errors import Reason
from station.media import NotAMedium, practice_drive, properties
from station.stack import Found, above, active_pools, below, btrfs_members
from station.system import DISKS, Device, Mount, System

OWN_FOLDERS = ("/", "/boot", "/boot/efi", "/usr", "/var", "/home")
STACKED = re.compile(r"(dm-|md|bcache|drbd|nbd|rbd|zd)\d+.*")
MEMORY = re.compile(r"(zram|ram)\d+")
PARTS = re.compile(r"mmcblk\d+(boot\d+|rpmb|gp\d+)")


def why_ours(
    path: str | Path,
    *,
    allow_loop: bool = False,
    protect: Collection[Path] = (),
    bays: Collection[str] = (),
    system: System | None = None,
    ask_kernel: bool = True,
) -> list[Reason]:
    """Return every reason why this must not be touched; an empty list means it is offered.

    `protect` are further paths of ours (the journal), `bays` the configured sockets (udev's ID_PATH; none
    configured means all). `ask_kernel=False` leaves out rule 6, for a drive that we hold ourselves.
    """
    system = system or System()
    device = system.device_at(str(path))
    if device is None:
        return _file_reasons(Path(path), protect, system)
    reasons = [
        *_kind_reasons(device, allow_loop, system),
        *_use_reasons(device, (*OWN_FOLDERS, *_program(system), *map(str, protect)), system, ask_kernel),
        *_state_reasons(device, bays, system),
    ]
    return list(dict.fromkeys(reasons))


def _program(system: System) -> list[str]:
    """Return where this program lies."""
    return [str(Path(__file__).parent)] if system.live else []


def _kind_reasons(device: Device, allow_loop: bool, system: System) -> Iterator[Reason]:
    """Rule 1: only whole disks of a known kind."""
    node, name = device.node, device.name
    if device.is_partition:
        yield Reason("partition", f"{node} is a partition; name the whole disk {device.disk.node}", node)
    elif PARTS.fullmatch(name):
        yield Reason("partition", f"{node} is a part of an eMMC; name the whole chip", node)
    elif MEMORY.fullmatch(name):
        yield Reason("memory", f"{node} is memory of this station, not a drive", node)
    elif STACKED.fullmatch(name):
        yield Reason("stacked", f"{node} is built from other disks; name the disks below it", node)
    elif re.fullmatch(r"loop\d+", name):
        yield from _loop_reasons(device, allow_loop, system)
    elif not DISKS.fullmatch(name):
        yield Reason("unsure", f"{node} is of a kind this station does not know, so it counts as ours", node)
    if device.count("hidden"):
        yield Reason("hidden", f"{node} is one way to a disk that has another name; name that one", node)


def _loop_reasons(device: Device, allow_loop: bool, system: System) -> Iterator[Reason]:
    """Rule 1 for loop devices: only by configuration, only over a regular file that nothing else uses."""
    node, backing = device.node, device.text("loop/backing_file")
    if not allow_loop:
        yield Reason("loop", f"{node} is a loop device; the configuration does not allow them here", node)
    if not backing:
        yield Reason("empty", f"{node} has no file behind it", node)
    elif system.device_at(backing):
        yield Reason("loop", f"{node} lies over {backing}, which is a disk; name that disk", node)
    elif system.live and not Path(backing).is_file():
        yield Reason("unsure", f"the file behind {node} ({backing}) cannot be seen, so it counts as ours", node)
    else:
        others = [loop.node for loop in _loops(system) if loop != device and _same(loop, backing)]
        if others:
            yield Reason("loop", f"{backing} is also behind {', '.join(others)}; detach that first", node)


def _use_reasons(device: Device, own: Iterable[str], system: System, ask_kernel: bool) -> Iterator[Reason]:
    """Rules 2, 3, 4, 6 and 7: what is on the disk, and whether all of that could be told."""
    node = device.node
    up = above(device.disk, system)
    unsure, veiled = list(up.unsure), list(up.veiled)
    try:
        mounts = system.mounts()
    except OSError as error:
        mounts = []
        unsure.append(f"the table of mounts cannot be read ({error.strerror})")
    yield from _own_reasons(device, own, system, mounts, unsure, veiled)
    yield from _mount_reasons(node, up, mounts, system)
    yield from _swap_reasons(device, up, mounts, system, unsure, veiled)
    yield from _built_reasons(device, up, system)
    veiled += [f"which disks belong to {pool} cannot be told" for pool in active_pools(system, mounts)]
    if system.live and ask_kernel:
        free, reasons = _kernel_says(node)
        yield from reasons
        veiled = [] if free else veiled
    for text in dict.fromkeys((*unsure, *veiled)):
        yield Reason("unsure", f"{text}, so {node} counts as ours", node)


def _own_reasons(
    device: Device, own: Iterable[str], system: System, mounts: list[Mount], unsure: list[str], veiled: list[str]
) -> Iterator[Reason]:
    """Rule 3: the station's own folders, through whatever they stand on."""
    if not mounts:
        unsure.append("there is no mount in the table of mounts")
        return
    held = []
    for path in dict.fromkeys(own):
        down = below(path, system, mounts)
        unsure += down.unsure
        veiled += down.veiled
        if device.disk in down.devices:
            held.append(path)
    points = {mount.point for mount in mounts}
    held = [path for path in held if path in points or path not in OWN_FOLDERS] or held
    if held:
        text = f"{device.node} is the station's own: it holds {', '.join(held)}"
        yield Reason("own-disk", text, device.node)


def _mount_reasons(node: str, up: Found, mounts: list[Mount], system: System) -> Iterator[Reason]:
    """Rule 2: mounts of the disk or of anything on it, by device number or by the mount's source."""
    numbers = {device.number: how for device, how in up.devices.items() if device.number}
    for mount in mounts:
        how = numbers.get(mount.number)
        source = system.device_at(mount.source) if how is None else None
        how = up.devices.get(source) if source else how
        if how:
            yield Reason("mounted", f"{node} is in use: {how} is mounted at {mount.point}", node)


def _swap_reasons(
    device: Device, up: Found, mounts: list[Mount], system: System, unsure: list[str], veiled: list[str]
) -> Iterator[Reason]:
    """Rule 2 for swap: partitions on the disk, and swap files that lie on it."""
    try:
        swaps = system.swaps()
    except OSError as error:
        unsure.append(f"the list of swap areas cannot be read ({error.strerror})")
        return
    for swap in swaps:
        area = system.device_at(swap)
        how = up.devices.get(area) if area else None
        if area is None and mounts:
            down = below(swap, system, mounts)
            unsure += down.unsure
            veiled += down.veiled
            how = f"the file {swap}" if device.disk in down.devices else None
        if how:
            yield Reason("swap", f"{device.node} is in use: {how} is swap of this station", device.node)


def _built_reasons(device: Device, up: Found, system: System) -> Iterator[Reason]:
    """Rule 4: something is built on it, mounted or not, or it is a member of something."""
    node = device.node
    for how in up.built:
        yield Reason("holder", f"{node} is in use: {how}; take that apart first", node)
    for upper, how in up.devices.items():
        if (upper.folder / "bcache").exists():
            yield Reason("holder", f"{node} is in use: {how} belongs to a bcache", node)
    members = btrfs_members(system)
    for upper, how in up.devices.items():
        if upper in members:
            yield Reason("mounted", f"{node} is in use: {how} belongs to the btrfs {members[upper]}", node)
    try:
        if device.disk.linked("slaves"):  # partitions have no such folder
            yield Reason("stacked", f"{node} is built from other disks; name the disks below it", node)
    except OSError as error:
        yield Reason("unsure", f"what {node} is built on cannot be read ({error.strerror})", node)


def _state_reasons(device: Device, bays: Collection[str], system: System) -> Iterator[Reason]:
    """Rule 5: read-only, empty, or outside the configured bays."""
    node = device.node
    if device.text("ro") != "0":
        told = device.text("ro") != ""
        text = f"{node} is read-only" if told else f"whether {node} is read-only cannot be told"
        yield Reason("read-only" if told else "unsure", text, node)
    if not device.size and not device.name.startswith("loop"):
        yield Reason("empty", f"{node} has no medium in it, or has just gone", node)
    bay = properties(device, system).get("ID_PATH", "") if bays else ""
    if bays and socket_of(bay) not in map(socket_of, bays):
        place = f"in {bay}" if bay else "in no known socket"
        yield Reason("bay", f"{node} is {place}, which is none of the configured bays", node)


def socket_of(id_path: str) -> str:
    """Return the socket that udev's ID_PATH names: all namespaces of an NVMe drive sit in the same one.

    Source: systemd, udev-builtin-path_id.c: the namespace is added as `-nvme-<nsid>`.
    """
    return re.sub(r"-nvme-\d+$", "", id_path)


def _kernel_says(node: str) -> tuple[bool, list[Reason]]:
    """Rule 6: open it exclusively for a moment. Returns whether the kernel let us, and the reasons if not."""
    try:
        os.close(os.open(node, os.O_RDONLY | os.O_EXCL | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError as error:
        if error.errno == errno.EBUSY:
            text = f"the kernel says that {node} is in use by something else"
            return False, [Reason("in-use", text, node)]
        if error.errno == errno.ENOMEDIUM:
            return False, [Reason("empty", f"{node} has no medium in it", node)]
        text = f"the kernel could not be asked whether {node} is in use ({error.strerror}), so it counts as ours"
        return False, [Reason("unsure", text, node)]
    return True, []


def _file_reasons(path: Path, protect: Collection[Path], system: System) -> list[Reason]:
    """Return why a path that is no block device is refused: only practice drives are offered."""
    if not path.is_file():
        what = "is neither a drive nor a practice drive" if path.exists() else "is not there; is it plugged in?"
        return [Reason("not-there", f"{path} {what}", str(path))]
    real, name = path.resolve(), str(path)
    reasons = []
    try:
        drive = practice_drive(real)
    except NotAMedium as error:
        return [Reason("no-sidecar", str(error), name)]
    if drive.read_only:
        reasons.append(Reason("read-only", f"{path} is read-only", name))
    if not drive.size:
        reasons.append(Reason("empty", f"{path} is empty", name))
    if real.stat().st_nlink != 1:
        reasons.append(Reason("hard-linked", f"{path} has a second name; it may be somebody's file", name))
    if real in {Path(p).resolve() for p in protect}:
        reasons.append(Reason("own-disk", f"{path} is the station's own", name))
    reasons += [
        Reason("loop", f"{path} is in use: {loop.node} lies over it; detach that first", name)
        for loop in _loops(system)
        if _same(loop, str(real))
    ]
    try:
        swapped = any(os.path.exists(swap) and os.path.samefile(swap, real) for swap in system.swaps())
    except OSError as error:
        return [*reasons, Reason("unsure", f"the list of swap areas cannot be read ({error.strerror})", name)]
    return [*reasons, Reason("swap", f"{path} is swap of this station", name)] if swapped else reasons


def _loops(system: System) -> list[Device]:
    """Return the loop devices that have something behind them."""
    try:
        return [d for d in system.block_devices() if d.text("loop/backing_file")]
    except OSError:  # said as unsure where it matters: `above` reads the same list
        return []


def _same(loop: Device, path: str) -> bool:
    """Tell whether a loop device lies over a file."""
    backing = loop.text("loop/backing_file")
    try:
        return os.path.samefile(backing, path)
    except OSError:
        return backing == path
