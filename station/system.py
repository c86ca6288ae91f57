"""What the kernel says about block devices: sysfs, mounts, swap; read below one root folder.

The root is `/` on a running machine; tests give the folder of a recorded one. Nothing here opens a device.
Paths inside the kernel's own trees (`sys/…`, `proc/…`) are real; `/dev` names of a recorded tree are looked up
by name in `sys/class/block`.
"""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

DISKS = re.compile(r"(sd[a-z]+|hd[a-z]+|vd[a-z]+|xvd[a-z]+|nvme\d+n\d+|mmcblk\d+)")  # whole disks of a kind we know
SECTOR = 512  # bytes; sysfs `size` counts these whatever the drive's own sectors are (block/genhd.c)


@dataclass(frozen=True)
class Device:
    """One block device, by its folder in sysfs (symbolic links resolved)."""

    folder: Path

    @property
    def name(self) -> str:
        """Return the kernel's name; sysfs writes `!` for the slash in names such as `cciss/c0d0`."""
        return self.folder.name.replace("!", "/")

    @property
    def node(self) -> str:
        """Return the usual device node."""
        return f"/dev/{self.name}"

    @property
    def number(self) -> str:
        """Return `major:minor`, or "" when the device has just gone."""
        return self.text("dev")

    @property
    def size(self) -> int:
        """Return the size in bytes; 0 for an empty reader or a device that has gone."""
        return self.count("size") * SECTOR

    @property
    def is_partition(self) -> bool:
        """Tell whether this is a part of a disk."""
        return (self.folder / "partition").exists()

    @property
    def disk(self) -> "Device":
        """Return the whole disk that this is, or is a partition of."""
        return Device(self.folder.parent) if self.is_partition else self

    def text(self, name: str) -> str:
        """Return one attribute, stripped, or "" when there is none or it cannot be read."""
        try:
            return (self.folder / name).read_bytes().decode("utf-8", "replace").strip(" \t\r\n\0")
        except OSError:
            return ""

    def count(self, name: str) -> int:
        """Return one attribute as a number, 0 when there is none."""
        text = self.text(name)
        return int(text) if text.isdigit() else 0

    def partitions(self) -> list["Device"]:
        """Return the partitions. Raises `OSError` when the folder cannot be read."""
        return [Device(child) for child in sorted(self.folder.iterdir()) if (child / "partition").exists()]

    def linked(self, which: str) -> list["Device"]:
        """Return the devices in `holders` (built on this one) or `slaves` (this one is built on).

        Raises `OSError` when they cannot be read: for the guard that is a reason, not an empty list.
        """
        return [Device(link.resolve(strict=True)) for link in sorted((self.folder / which).iterdir())]


@dataclass(frozen=True)
class Mount:
    """One line of a mountinfo file (proc_pid_mountinfo(5))."""

    number: str
    point: str
    fstype: str
    source: str
    options: tuple[str, ...]

    def layers(self) -> list[str]:
        """Return the folders an overlay is made of (`lowerdir=a:b`, `lowerdir+=c`, `upperdir=d`)."""
        found = []
        for option in self.options:
            key, _, value = option.partition("=")
            if key.rstrip("+") in ("lowerdir", "upperdir", "datadir"):
                found += [unescape(part) for part in value.split(":") if part]
        return found


@dataclass(frozen=True)
class System:
    """The kernel's view of one machine, read below `root`."""

    root: Path = Path("/")

    @property
    def live(self) -> bool:
        """Tell whether this is the machine we run on, so that paths can be stat()ed and devices asked."""
        return self.root == Path("/")

    @property
    def proc(self) -> Path:
        """Return the proc folder."""
        return self.root / "proc"

    def block_devices(self) -> list[Device]:
        """Return all block devices, partitions included. Raises `OSError` when sysfs cannot be read."""
        return [Device(link.resolve()) for link in sorted((self.root / "sys/class/block").iterdir())]

    def by_number(self, number: str) -> Device | None:
        """Return the device with this `major:minor`, or None when there is none now."""
        link = self.root / "sys/dev/block" / number
        return Device(link.resolve()) if number and link.exists() else None

    def device_at(self, path: str) -> Device | None:
        """Return the block device that a path names, or None when it names none."""
        if not self.live:
            link = self.root / "sys/class/block" / path.removeprefix("/dev/").replace("/", "!")
            return Device(link.resolve()) if path.startswith("/dev/") and link.exists() else None
        with suppress(OSError):
            status = os.stat(path)
            if stat.S_ISBLK(status.st_mode):
                return self.by_number(f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}")
        return None

    def mounts(self) -> list[Mount]:
        """Return the mounts of every mount namespace we may look into, each once.

        Raises `OSError` when our own cannot be read; those of other processes are read where permitted (a
        mount that hides in one we may not read is still found by the kernel's own veto, `O_EXCL`).
        """
        texts = [(self.proc / "self/mountinfo").read_bytes()]
        seen = {_namespace(self.proc / "self")}
        for folder in self._processes():
            namespace = _namespace(folder)
            if namespace and namespace in seen:
                continue
            seen.add(namespace)
            with suppress(OSError):
                texts.append((folder / "mountinfo").read_bytes())
        lines = dict.fromkeys(line for text in texts for line in text.decode("utf-8", "replace").splitlines())
        return [mount for mount in map(parse_mount, lines) if mount]

    def _processes(self) -> Iterator[Path]:
        """Yield the folders of all processes, that of process 1 first."""
        names = [name for name in os.listdir(self.proc) if name.isdigit()]
        for name in sorted(names, key=int):
            yield self.proc / name

    def swaps(self) -> list[str]:
        """Return the files and devices swapped to. Raises `OSError` when the list cannot be read."""
        lines = (self.proc / "swaps").read_text("utf-8", "replace").splitlines()[1:]
        return [unescape(line.split()[0]) for line in lines if line.split()]


def parse_mount(line: str) -> Mount | None:
    """Read one mountinfo line; None for a line that is none."""
    left, dash, right = line.partition(" - ")
    head, tail = left.split(" "), right.split(" ")
    if not dash or len(head) < 6 or len(tail) < 2:
        return None
    options = tuple(" ".join(tail[2:]).split(","))
    return Mount(head[2], unescape(head[4]), tail[0], unescape(tail[1]), options)


def unescape(text: str) -> str:
    r"""Undo the kernel's `\040` for blanks and the like in mount and swap tables."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


def _namespace(folder: Path) -> str:
    """Return the name of a process's mount namespace, or "" when it may not be read."""
    try:
        return os.readlink(folder / "ns/mnt")
    except OSError:
        return ""
