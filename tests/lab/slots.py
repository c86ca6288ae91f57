"""What is plugged where, and what is being done to it over QEMU's control socket.

Promises: a drive that was pulled is not there at the next boot, one that was plugged is; faults and speed limits end
with the power. QEMU's refusals are raised as `Refused`.
"""

import contextlib
import itertools
import json
from collections.abc import Iterator, Sequence

from tests.lab import drives as described
from tests.lab.drives import Bus, Drive, Fault
from tests.lab.qmp import Monitor, Refused


class Slots:
    """The drives of one guest."""

    def __init__(self, drives: Sequence[Drive]) -> None:
        self.drives = {drive.name: drive for drive in drives}
        self._forget()

    def _forget(self) -> None:
        self._places: dict[str, tuple[Bus, int]] = {}
        self._speeds: set[str] = set()
        self._faulty: dict[str, list[str]] = {}
        self._numbers = itertools.count(1)

    def at_boot(self) -> Iterator[tuple[str, str]]:
        """Yield QEMU's options for a machine with these drives, and forget what the last one went through."""
        self._forget()
        for drive in self.drives.values():
            self._speeds.add(drive.name)
            yield "-object", json.dumps(described.speed_group(drive))
            for each in described.nodes(drive):
                yield "-blockdev", json.dumps(each)
        for each in described.controllers(tuple(self.drives.values())):
            yield "-device", json.dumps(each)
        for drive in self.drives.values():
            for each in described.devices(drive, self._place(drive)):
                yield "-device", json.dumps(each)

    def plug(self, qmp: Monitor, drive: Drive) -> None:
        """Plug a drive in; raises `Refused` where its bus cannot."""
        if drive.bus not in described.PLUGGABLE or len(drive.stores) != 1:
            raise Refused(f"{drive.name}: nothing like it can be plugged into a running {drive.bus} bus")
        if drive.name not in self._speeds:
            qmp.ask("object-add", described.speed_group(drive))
            self._speeds.add(drive.name)
        for each in described.nodes(drive):
            qmp.ask("blockdev-add", each)
        for device in described.devices(drive, self._place(drive)):
            qmp.ask("device_add", device)
        self.drives[drive.name] = drive

    def pull(self, qmp: Monitor, drive: Drive, deadline: float) -> None:
        """Take a drive away; raises `Refused` when the guest has not let go of it after `deadline` seconds."""
        device = f"{drive.name}-uas" if drive.bus is Bus.UAS else drive.name
        qmp.ask("device_del", {"id": device})
        qmp.wait_event("DEVICE_DELETED", deadline, device=device)
        del self._places[drive.name]
        del self.drives[drive.name]
        # From the top: a node goes only when nothing lies on it. What was in flight may hold one for a moment.
        names = [each["node-name"] for each in described.nodes(drive)]
        tops = [name for name in names if not name.endswith(("-file", "-format"))]
        below = [name for name in names if name not in tops]
        for name in (*tops, *self._faulty.pop(drive.name, ()), *reversed(below)):
            qmp.ask("blockdev-del", {"node-name": name})

    def fail(self, qmp: Monitor, drive: Drive, faults: tuple[Fault, ...], number: int) -> None:
        """Put faults between a store and its device, in place of those that are there."""
        below = f"{described.node(drive, number)}-format"
        old = [name for name in self._faulty.get(drive.name, ()) if name.startswith(f"fault-{number}-")]
        if faults:
            below = f"fault-{number}-{next(self._numbers)}"
            qmp.ask("blockdev-add", described.faulty(drive, number, below, faults))
            self._faulty.setdefault(drive.name, []).append(below)
        self._reopen(qmp, drive, number, below)
        for name in old:
            with contextlib.suppress(Refused):  # still draining: it goes with the drive
                qmp.ask("blockdev-del", {"node-name": name})
                self._faulty[drive.name].remove(name)

    @staticmethod
    def _reopen(qmp: Monitor, drive: Drive, number: int, below: str) -> None:
        """Set the throttle upon another node.

        QEMU flushes before it does, and a flush that was told to fail says no; each try uses up one of the failures.
        """
        for attempt in itertools.count():
            try:
                qmp.ask("blockdev-reopen", {"options": [described.throttle(drive, number, below)]})
                return
            except Refused as error:
                if attempt > described.FAILING_FLUSHES or "flushing" not in str(error):
                    raise

    def limit(self, qmp: Monitor, drive: Drive, bytes_per_second: int) -> None:
        """Set a drive's speed. What waits under the old one goes on, unless the new one is to hang.

        QEMU 7.2 leaves the timers of waiting requests as they are when a throttle group changes (a request of 1 MiB
        at a byte a second would wait for 12 days); setting the node anew drains it.
        """
        limits = {"bps-total": bytes_per_second, "bps-total-max": bytes_per_second}
        qmp.ask("qom-set", {"path": f"/objects/{drive.name}-speed", "property": "limits", "value": limits})
        for number in range(len(drive.stores) if bytes_per_second != 1 else 0):
            faults = [name for name in self._faulty.get(drive.name, ()) if name.startswith(f"fault-{number}-")]
            below = faults[-1] if faults else f"{described.node(drive, number)}-format"
            self._reopen(qmp, drive, number, below)

    def _place(self, drive: Drive) -> int:
        """Return the first free port or number on a drive's bus, and remember it."""
        taken = {place for bus, place in self._places.values() if bus is drive.bus}
        free = next(number for number in range(64) if number not in taken)
        self._places[drive.name] = (drive.bus, free)
        return free
