"""Which block devices hang on one NVMe drive, and by which controller it is spoken to: read from sysfs, pure looking.

A sanitize hits the whole NVM subsystem, so whatever block device the kernel made of any of its namespaces, over any of
its controllers, is a sibling. Kernel rules (drivers/nvme/host/core.c and multipath.c of Linux 6.1): a controller's
folder holds `nvmeXnY`; with several paths the disk is `nvmeXnY` below the subsystem, and each path a hidden
`nvmeXcYnZ` without a device node; every subsystem folder links to its controllers. X of a disk is its subsystem's
number or its controller's, which need not be the same.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from station.system import System

_DISK, _CONTROLLER = re.compile(r"nvme\d+n\d+"), re.compile(r"nvme\d+")


@dataclass(frozen=True)
class Family:
    """The drive of one namespace. `siblings` are paths of its other block devices; `numbers` the namespaces of all.

    `control` is the controller's own device, through which a command can be sent while the block device is held
    exclusively; it is the path asked about where sysfs knows no better. `why` says what could not be found out.
    """

    control: str
    siblings: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()
    why: str = ""


def family_of(path: str, system: System | None = None) -> Family:
    """Return the drive that a block device belongs to; raises nothing."""
    system = system or System()
    device = system.device_at(path)
    if device is None:
        return Family(path, why="the kernel knows no such block device, so its siblings are not known")
    disk = device.disk
    controllers, disks = _subsystem(system, disk.folder)
    if disk.folder not in disks:
        return Family(path, why=f"no NVMe subsystem of the kernel holds {disk.name}, so its siblings are not known")
    own = [one for one in controllers if one == disk.folder.parent]
    usable = own or [one for one in controllers if _text(one / "state") in ("live", "")] or controllers
    return Family(
        control=f"/dev/{usable[0].name}" if usable else path,
        siblings=tuple(f"/dev/{one.name}" for one in disks if one != disk.folder),
        numbers=tuple(sorted({int(text) for one in disks if (text := _text(one / "nsid")).isdigit()})),
    )


def _subsystem(system: System, disk: Path) -> tuple[list[Path], list[Path]]:
    """Return the folders of all controllers and all disks of the subsystem that holds this disk."""
    with suppress(OSError):
        for link in sorted((system.root / "sys/class/nvme-subsystem").iterdir()):
            folder = link.resolve()
            controllers = [child.resolve() for child in _children(folder, _CONTROLLER)]
            disks = list(_children(folder, _DISK))
            for controller in controllers:
                disks += _children(controller, _DISK)
            if disk in disks:
                return controllers, disks
    return [], []


def _children(folder: Path, names: re.Pattern[str]) -> Iterator[Path]:
    with suppress(OSError):
        yield from (child for child in sorted(folder.iterdir()) if names.fullmatch(child.name))


def _text(path: Path) -> str:
    try:
        return path.read_text("ascii", "replace").strip()
    except OSError:
        return ""
