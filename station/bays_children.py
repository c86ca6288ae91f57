"""The wiping children: started, adopted after a restart of the bench, heard, watched for progress, told to stop.

A child belongs to a drive, not to a bay: the drive may be pulled, and the child still be waiting for it in the kernel.
The watchdog asks for *progress*, never for time: an erase that a drive says takes ten hours may take them.
"""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from custody.media import MediumIdentity
from station.bays_codes import code_for
from station.bays_launch import launch, watch
from station.bays_memory import Unsettled
from station.bays_slot import Said, Slot, Told, Who, Wish, alive, states_of, who_is
from station.media import Medium

STARTS_WITHIN = 150.0  # seconds more until the first progress: smartctl may take a minute or two on a dying drive
ENDS_WITHIN = 15.0  # seconds after a stop was wished until an overwriting child is killed; its work log is safe
GONE_FOR = 20.0  # seconds after its drive was pulled until a child is killed
STUCK, IN_KERNEL, SHRUNK = "E14", "E15", "E19"


@dataclass
class Child:
    """One of them. Times in seconds of the monotonic clock."""

    identity: MediumIdentity
    path: str
    sequence: int
    bay: str
    who: Who
    slot: Slot
    handle: int
    since: float
    before: Unsettled | None = None  # what was unsettled of this drive before it was started
    said: Said | None = None
    cancelled: float | None = None
    by: str = ""
    pulled: float | None = None
    shrunk: str = ""  # the sentence that says so, once its drive shows less than when it was looked at
    killed: bool = False
    letters: str = field(default="")

    def at(self, medium: Medium | None) -> bool:
        """Tell whether it works on this very medium, under the path and number it has now."""
        return medium is not None and (self.path, self.sequence) == (medium.path, medium.sequence)

    @property
    def told(self) -> Told:
        """Return what it said last."""
        return self.said.told if self.said else Told(moved=self.since)

    def hear(self) -> None:
        """Read what it says now; a torn page keeps what was heard before."""
        self.said = self.slot.said() or self.said

    def silent_for(self, now: float) -> float:
        """Return for how many seconds nothing has moved."""
        return max(0.0, now - max(self.told.moved, self.since))

    def stuck(self, now: float, stuck_after: float) -> str:
        """Return the code of being stuck, or ""; in a command of the drive's own the drive's own estimate counts."""
        told = self.told
        patience = max(told.patience, stuck_after) if told.by_firmware else stuck_after
        patience += STARTS_WITHIN if not told.touched else 0.0
        if told.phase == "ended" or self.silent_for(now) <= patience:
            self.letters = ""
            return ""
        self.letters = states_of(self.who.pid)
        return IN_KERNEL if "D" in self.letters else STUCK

    def stop(self, by: str, now: float) -> None:
        """Wish that it stops between two pieces; a child that cannot hear is killed, unless the drive erases itself."""
        self.cancelled, self.by = now, by
        self.slot.wish(Wish("stop", by))

    def end_if_needed(self, now: float) -> None:
        """Kill a child that cannot stop by itself although nothing needs it any more."""
        asked = self.cancelled is not None and now - self.cancelled > ENDS_WITHIN and not self.told.by_firmware
        gone = self.pulled is not None and now - self.pulled > GONE_FOR
        if (asked or gone) and not self.killed:
            self.killed = True
            for pid in self.told.readers:
                _kill(pid, signal.SIGCONT)
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.who.pid, signal.SIGKILL)

    def left_open(self, *, here: bool) -> tuple[str, str, tuple[str, ...]]:
        """Return why its drive is unsettled now, with code and sentences; `here`: the drive is still in its bay."""
        told = self.told
        if self.shrunk:
            return "unknown", SHRUNK, (self.shrunk, *told.sentences)
        if self.pulled is not None or not here:
            return "pulled", "E13", told.sentences
        if self.cancelled is not None:
            return "interrupted", "E24", (f"Stopped by {self.by}.",)
        if not told.outcome:
            return "interrupted", "E16", ("The program that wiped it ended in the middle.",)
        if "reader-ended" in told.codes and told.resumable:  # everything is written; only the checking is missing
            return "interrupted", "E31", ("The program that reads it back was ended.",)
        return "unknown", code_for(told.codes, "E17"), told.sentences

    def close(self) -> None:
        """Let go of its handle and its slot, and take the slot's file away: what it said is kept elsewhere by now."""
        with suppress(OSError):
            os.close(self.handle)
        self.slot.close()
        for file in (self.slot.file, complaints_of(self.slot.file)):
            with suppress(OSError):
                file.unlink()


def complaints_of(slot: Path) -> Path:
    """Return where a child writes what only a programmer understands."""
    return slot.with_suffix(".err")


def slot_of(folder: Path, medium: Medium) -> Path:
    """Return the slot's file of a drive."""
    return folder / f"{medium.identity.id}.slot"


def start(task: dict[str, Any], medium: Medium, folder: Path, wait: Callable[[Any], None]) -> Child:
    """Start the child for a drive; `wait` gets its process, to be waited for. Raises OSError when that fails."""
    file = slot_of(folder, medium)
    slot = Slot.make(file)
    task = {**task, "slot": str(file), "medium": medium.to_json()}
    with open(os.devnull, "wb") as nowhere:
        process = launch("wipe", task, nowhere, complaints_of(file))
    wait(process)
    who, handle = who_is(process.pid), watch(process.pid)
    if who is None or handle is None:
        slot.close()
        raise OSError(f"the program for {medium.path} ended at once")
    return Child(medium.identity, medium.path, medium.sequence, task["bay"], who, slot, handle, time.monotonic())


def adopt(file: Path, identity: MediumIdentity) -> Child | None:
    """Return the child behind a slot that a former bench made; None when nobody ever said anything in it.

    It may have ended meanwhile: its handle is then readable at once, and what it said last is how it ended.
    Raises OSError when the slot cannot be opened.
    """
    slot = Slot(file)
    said = slot.said()
    if said is None or said.medium != identity.id:
        slot.close()
        return None
    handle = watch(said.who.pid) if alive(said.who) else None
    if handle is None or not alive(said.who):  # asked again: the number may have passed on in between
        handle = os.eventfd(1)
    return Child(identity, said.path, said.sequence, said.bay, said.who, slot, handle, time.monotonic(), said=said)


def _kill(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
