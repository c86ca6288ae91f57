"""Inside a wiping child: tells the bench how far it is, keeps the drive from getting too hot, stops when told to.

The gate stands where progress is shown: between two pieces of a pass or of reading back. So a pause or a stop never
falls into a write, and never into a command of the drive's own, which cannot be stopped from outside at all. The
working clock stands still during a pause, so that a pause makes no rate and no finish time wrong. All of this works
on when the bench itself has died.
"""

import json
import math
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from station.bays_slot import Said, Slot
from station.errors import StationError
from station.run import Run
from station.wipe.progress import DRIVE_WORKS, Progress

POLL = 0.2  # seconds between two looks during a pause
SENSOR_EVERY = 5.0  # seconds
ASK_EVERY = 60.0  # seconds, when smartctl must be asked: it disturbs the drive a little
COOLER_BY = 5.0  # degrees Celsius below the limit at which work goes on
ASK_DEADLINE = 20.0  # seconds


class Stopped(StationError):
    """A person asked for the end; what was done so far is in the work log."""


@dataclass(frozen=True)
class Heat:
    """How warm a drive may be: its limit in degrees Celsius, its sensor's file, or "" to ask smartctl for `path`."""

    limit: float
    sensor: str
    path: str


class Thermometer(threading.Thread):
    """Reads a drive's temperature in a thread of its own, because a drive that hangs would hang the reader as well."""

    def __init__(self, heat: Heat, hear: Callable[[float], None], *, every: float = 0.0) -> None:
        """Prepare; `hear` gets degrees Celsius. `every` in seconds, 0 for the usual pace."""
        super().__init__(name="thermometer", daemon=True)
        self._heat, self._hear = heat, hear
        self._every = every or (SENSOR_EVERY if heat.sensor else ASK_EVERY)

    def run(self) -> None:
        """Read and tell until the process ends; a drive without a temperature is asked for ever more rarely."""
        pause = self._every
        while True:
            degrees = read_sensor(self._heat.sensor) if self._heat.sensor else ask_smartctl(self._heat.path)
            if degrees is not None:
                self._hear(degrees)
            pause = self._every if degrees is not None else min(pause * 2, 3600.0)
            time.sleep(pause)


def read_sensor(file: str) -> float | None:
    """Return degrees Celsius from a hwmon file (Documentation/hwmon/sysfs-interface: thousandths), None if it fails."""
    try:
        return int(Path(file).read_text("ascii")) / 1000
    except (OSError, ValueError):
        return None


def ask_smartctl(path: str) -> float | None:
    """Return degrees Celsius as smartctl gives them, without waking a sleeping disk; None when it gives none."""
    if not path:
        return None
    result = Run()(["smartctl", "-n", "standby", "-A", "-j", path], ASK_DEADLINE)
    with suppress(ValueError, KeyError, TypeError):
        return float(json.loads(result.text)["temperature"]["current"])
    return None


class Gate:
    """Where progress passes through. `first` is called once, before anything was written, and may raise."""

    def __init__(
        self,
        slot: Slot,
        said: Said,
        *,
        passes: int,
        limit: float,
        spins: bool = False,
        first: Callable[[], None] = lambda: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Begin. `passes` is how many the plan has, `limit` in degrees Celsius; `spins`: inner tracks are slower."""
        self._slot, self._said, self._passes, self._limit = slot, said, passes, limit
        self._first, self._sleep, self._spins = first, sleep, spins
        self._stage, self._from = "", 0
        self._lock = threading.Lock()
        self._paused = 0.0
        self._pause_began: float | None = None
        self._begun = False
        self.tell(moved=time.monotonic())

    def tell(self, **news: object) -> None:
        """Say something new in the slot."""
        with self._lock:
            self._said = replace(self._said, told=replace(self._said.told, **news))  # type: ignore[arg-type]
            self._slot.say(self._said)

    def clock(self) -> float:
        """Return seconds of work: the monotonic clock without pauses."""
        now = time.monotonic()
        began = self._pause_began
        return now - self._paused - (now - began if began is not None else 0.0)

    @property
    def touched(self) -> bool:
        """Tell whether the work on the drive has begun, so that nobody can say that nothing was touched."""
        return self._begun

    def warm(self, degrees: float) -> None:
        """Hear from the thermometer: too hot at the limit, cool again `COOLER_BY` below it."""
        was = self._said.told.hot
        self.tell(temperature=degrees, hot=degrees >= self._limit or (was and degrees > self._limit - COOLER_BY))

    def show(self, moment: Progress) -> None:
        """Take one moment of the job: tell it, wait while it is too hot, raise Stopped when told to stop."""
        if not self._begun:
            self._first()
            self._begun = True
        by_itself = moment.stage == DRIVE_WORKS
        told = self._said.told
        if moment.stage != self._stage:
            self._stage, self._from = moment.stage, moment.done
        progressed = (moment.stage, moment.done) != (told.stage, told.done)
        self.tell(
            phase="working",
            stage=moment.stage,
            done=moment.done,
            total=moment.total,
            percent=percent(moment, self._passes),
            rate=moment.rate,
            seconds_left=inner_tracks(moment, self._from) if self._spins and not by_itself else moment.seconds_left,
            moved=time.monotonic() if progressed else told.moved,
            touched=True,
            by_firmware=by_itself,
        )
        if not by_itself:
            self._stop_if_told()
            if self._said.told.hot or self._slot.wished().what == "pause":
                self._pause()

    def _stop_if_told(self) -> None:
        wish = self._slot.wished()
        if wish.what == "stop":
            raise Stopped(f"stopped by {wish.who or 'a person'}; the same wipe can go on from here")

    def _pause(self) -> None:
        """Wait; the reader of a read-back is a process of its own, which only reads and may be halted."""
        readers = _children(os.getpid())
        self._pause_began = time.monotonic()
        for pid in readers:
            _signal(pid, signal.SIGSTOP)
        try:
            self.tell(phase="paused", readers=readers)
            while self._said.told.hot or self._slot.wished().what == "pause":
                self.tell(moved=time.monotonic())
                self._stop_if_told()
                self._sleep(POLL)
        finally:
            for pid in readers:
                _signal(pid, signal.SIGCONT)
            self._paused += time.monotonic() - self._pause_began
            self._pause_began = None
            self.tell(phase="working", readers=(), moved=time.monotonic())


def inner_tracks(moment: Progress, begun: int) -> float | None:
    """Return the seconds to the end of the job on a disk that spins, whose last tracks are about half as fast.

    A straight line through what was measured outside would promise the end too early by a quarter and more. With a
    speed that falls from 1 to 1/2 over the disk, reading from share a to b takes 2·ln((1 − a/2)/(1 − b/2)). `begun` is
    the byte at which measuring began in this stage. A bridge slower than the disk makes this err to the late side.
    """
    left = moment.seconds_left
    if left is None or not moment.total or not moment.rate or moment.done <= begun:
        return left
    start, here = begun / moment.total, moment.done / moment.total
    measured = math.log((1 - start / 2) / (1 - here / 2)) / (here - start)  # of the model's time, per share
    rest = (moment.total - moment.done) / moment.rate
    later = max(0.0, left - rest)
    if here < 1:
        rest *= math.log((1 - here / 2) / 0.5) / (1 - here) / measured
    return rest + later * math.log(2) / measured


def percent(moment: Progress, passes: int) -> float | None:
    """Return how far the whole job is, 0 to 100: every pass and the reading back count alike; None when unknown.

    A drive's own erase counts as one pass; a sample that is read after it is a tenth of one and counts for nothing.
    """
    share = moment.done / moment.total if moment.total else 0.0
    stages = max(passes, 1) + 1
    if moment.stage.startswith("pass "):
        number = int(moment.stage.removeprefix("pass ").partition(":")[0])
        return 100 * min(number - 1 + share, stages - 1) / stages
    if moment.stage == "read back":
        return 100 * (stages - 1 + share) / stages
    if moment.stage == DRIVE_WORKS:
        return 100 * share / stages if moment.total else None
    return 0.0 if moment.stage == "canaries" else None


def _children(pid: int) -> tuple[int, ...]:
    """Return the children of a process (proc_pid_stat(5), field 4: the parent)."""
    found: list[int] = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            if int(file.read_text("utf-8", "replace").rpartition(")")[2].split()[1]) == pid:
                found.append(int(file.parent.name))
    return tuple(found)


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
