"""Which drive is in which bay now: the kernel's and udev's events, and a sweep now and then for what they miss.

Only sysfs and udev's database are read; no drive is opened or asked, so that a drive that hangs cannot hold this up.
Where udev runs its events are awaited (its database is complete by then: ID_PATH, serial), else the kernel's own.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyudev

from station.bays_config import FILE, LOOP, Bay
from station.media import Medium, NotAMedium, medium_of, practice_drive
from station.ours import socket_of
from station.system import DISKS, Device, System

UDEV = Path("/run/udev/control")  # udevd's own socket: where it is, udev runs


@dataclass(frozen=True)
class Seen:
    """What is in the bays now, by the bay's name, and the drives of a kind we know that are in no bay."""

    media: dict[str, Medium]
    outside: tuple[str, ...]


class Watch:
    """The netlink handle that becomes readable when a block device comes, goes or changes, and what is there."""

    def __init__(self, stalls: Iterable[Bay], system: System | None = None) -> None:
        """Begin to listen; raises OSError when the kernel lets nobody listen."""
        self._stalls, self._system = tuple(stalls), system or System()
        self._known: dict[str, tuple[str, Medium]] = {}
        self._monitor = pyudev.Monitor.from_netlink(pyudev.Context(), source="udev" if UDEV.exists() else "kernel")
        self._monitor.filter_by("block")
        self._monitor.start()

    def fileno(self) -> int:
        """Return the handle to wait on."""
        return int(self._monitor.fileno())

    def drain(self) -> bool:
        """Take all events that have arrived; tell whether there were any, and look at their devices afresh."""
        some = False
        while (event := self._monitor.poll(timeout=0)) is not None:
            some = True
            self._known.pop(str(event.sys_name), None)
        return some

    def see(self) -> Seen:
        """Return what is there now. A device that did not change since is not read again."""
        places = {socket_of(bay.place): bay.name for bay in self._stalls}
        media: dict[str, Medium] = {}
        outside: list[str] = []
        for device in self._devices():
            medium = self._medium(device)
            name = places.get(socket_of(medium.bay)) or places.get(medium.path)
            if name and medium.size:
                media[f"{name}, part {medium.identity.namespace or medium.path}" if name in media else name] = medium
            elif medium.size and not medium.practice:
                outside.append(medium.path)
        for bay in self._stalls:
            if bay.place.startswith(FILE):
                drive = _file(bay.place.removeprefix(FILE))
                media.update({bay.name: drive} if drive else {})
        return Seen(media, tuple(outside))

    def _devices(self) -> list[Device]:
        loops = {os.path.basename(bay.place) for bay in self._stalls if bay.place.startswith(LOOP)}
        try:
            devices = self._system.block_devices()
        except OSError:
            return []
        return [
            one
            for one in devices
            if (DISKS.fullmatch(one.name) or one.name in loops) and not one.is_partition and not one.count("hidden")
        ]

    def _medium(self, device: Device) -> Medium:
        print_ = "/".join(device.text(name) for name in ("dev", "diskseq", "size", "ro", "loop/backing_file"))
        known = self._known.get(device.name)
        if known and known[0] == print_:
            return known[1]
        medium = medium_of(device, self._system)
        self._known[device.name] = (print_, medium)
        return medium


def _file(path: str) -> Medium | None:
    """Return the practice drive in a file; None when it is not there, which is an empty bay."""
    try:
        drive = practice_drive(Path(path))
    except (NotAMedium, OSError):
        return None
    return drive if drive.size else None


def holder(file: Path) -> int | None:
    """Return the process that holds a lock (flock) on a file, asking nobody to let go; None when nobody does.

    Source: proc_locks(5), `1: FLOCK ADVISORY WRITE pid major:minor:inode 0 EOF`.
    """
    try:
        status = file.stat()
        lines = Path("/proc/locks").read_text("ascii", "replace").splitlines()
    except OSError:
        return None
    mine = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    for line in lines:
        words = line.split()
        if len(words) > 5 and words[1] == "FLOCK" and words[5] == mine and words[4].isdigit():
            return int(words[4])
    return None
