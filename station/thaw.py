"""A drive whose security the computer's firmware froze: one suspend and resume, which on many machines thaws it.

Firmware freezes drives at power-on and often not after a resume (STATION.md section 5: not on some Dells and NUCs,
never on a Mac). A suspend stops everything on the machine, so it is done only where the configuration allows it
(`may_suspend`), the kernel offers a sleep that cuts the drives' power (`deep`; s2idle keeps them on), it is no Mac,
nothing else is being wiped, and nothing the station lives on may vanish with the sleep. Whoever was behind a name
before may be behind another after: the drive is looked for by serial, WWN and size, never by name.
"""

import fcntl
import os
import re
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from station.errors import NotDone
from station.media import Medium, NotAMedium, medium_of
from station.run import Runner
from station.stack import below
from station.system import DISKS, Device, System

SLEEPS = 8  # seconds; long enough that drives lose their power
DEADLINE = 120.0  # seconds for going to sleep and coming back
FOUND_WITHIN = 60.0  # seconds until a drive must be back
NETWORK = ("nbd", "rbd", "drbd")
INSTEAD = (
    "put the drive into a dock or another computer whose firmware does not freeze drives, or use the eraser in this "
    "computer's own firmware menu and wipe the drive here afterwards"
)


@dataclass(frozen=True)
class Station:
    """What a suspend must not harm: the folder of the work logs, further paths of ours, and what is allowed."""

    may_suspend: bool
    worklogs: Path
    ours: Collection[Path] = ()
    system: System = field(default_factory=System)


def why_not(station: Station, medium: Medium) -> list[str]:
    """Return every reason why this machine is not suspended to thaw a drive; [] when it may be."""
    system = station.system
    reasons = []
    if not station.may_suspend:
        reasons.append("the configuration does not allow a suspend (may_suspend)")
    if "mem" not in _text(system.root / "sys/power/state").split():
        reasons.append("the kernel offers no suspend to memory")
    elif "[deep]" not in _text(system.root / "sys/power/mem_sleep"):  # the chosen one stands in brackets
        reasons.append("this machine's sleep does not cut the power of drives (deep sleep is not chosen)")
    if "apple" in _text(system.root / "sys/class/dmi/id/sys_vendor").lower():
        reasons.append("Macs do not come back with their drives thawed")
    others = _being_wiped(station.worklogs, medium)
    if others:
        reasons.append(f"{others} other drive(s) are being worked on at this station")
    reasons += [f"the station itself lives on {node}, which may not come back" for node in _fragile(station)]
    return reasons


def thaw(
    run: Runner, station: Station, medium: Medium, *,
    sleep: Callable[[float], None] = time.sleep, clock: Callable[[], float] = time.monotonic,
) -> str:  # fmt: skip
    """Suspend and resume once; return the path that the drive has then.

    Raises NotDone with the alternatives when that is not possible here, and when the drive does not come back.
    """
    reasons = why_not(station, medium)
    if reasons:
        raise NotDone(f"{medium.path} is frozen, and cannot be thawed here: {'; '.join(reasons)}. Instead: {INSTEAD}")
    result = run(("rtcwake", "-m", "mem", "-s", str(SLEEPS)), DEADLINE)
    if not result.ok:
        raise NotDone(f"{medium.path} is frozen, and the machine did not sleep ({result.trouble}). Instead: {INSTEAD}")
    begun = clock()
    while clock() - begun < FOUND_WITHIN:
        found = find_again(medium, station.system)
        if found:
            return found
        sleep(1.0)
    raise NotDone(f"{medium.name} did not come back after the suspend; unplug it and plug it in again")


def find_again(medium: Medium, system: System) -> str:
    """Return the path under which a drive is now, by serial, WWN and size; "" while it is not there or not unique."""
    found = []
    with suppress(OSError):
        for device in system.block_devices():
            if DISKS.fullmatch(device.name) and device.size:
                with suppress(NotAMedium, OSError):
                    now = medium_of(device, system)
                    if now.identity.names == medium.identity.names and now.size == medium.size:
                        found.append(now.path)
    return found[0] if len(found) == 1 else ""


def _text(path: Path) -> str:
    with suppress(OSError):
        return path.read_text("utf-8", "replace")
    return ""


def _being_wiped(worklogs: Path, medium: Medium) -> int:
    """Count the work logs that another process holds; one that cannot be tried counts as held."""
    held = 0
    for path in worklogs.glob("*.jsonl"):
        if path.stem == medium.identity.id:
            continue
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            held += 1
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            held += 1
        finally:
            os.close(fd)
    return held


def _fragile(station: Station) -> Iterator[str]:
    """Yield what the station lives on and may lose in a sleep: USB, network block devices, what cannot be told."""
    system = station.system
    try:
        mounts = system.mounts()
    except OSError as error:
        yield f"something that cannot be told ({error.strerror})"
        return
    seen: dict[str, Device] = {}
    for path in ("/", *map(str, station.ours)):
        found = below(path, system, mounts)
        yield from (*found.unsure, *found.veiled)
        seen |= {device.disk.node: device.disk for device in found.devices}
    for node, disk in seen.items():
        if disk.name.startswith(NETWORK) or any(re.fullmatch(r"usb\d+", part) for part in disk.folder.parts):
            yield node
