"""What the bench publishes for screens: one tile per bay, in one JSON file that is replaced as a whole.

A screen needs nothing else: it shows tiles and leaves orders (`station.orders`). A tile never holds what must be typed
to arm its drive: until then the last four of the serial are hidden, because they must be read off the drive itself.
A state that is older than `FRESH` seconds, or of an earlier start of the machine, says nothing about now: use `fresh`.
"""

import json
import os
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from station import records

VERSION = 1
PULSE = "bench.pulse"  # its time is now as long as the bench runs, whether or not there is room to write anything
FRESH = 6.0  # seconds; the bench writes at least every second, and a screen must say when it no longer does
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Look:
    """How one state looks: the word, the colour (never the only sign: there is an icon), and what to do."""

    word: str
    colour: str  # grey blue amber green red
    icon: str
    instruction: str


LOOKS: Mapping[str, Look] = MappingProxyType(
    {
        "empty": Look("Empty", "grey", "bay", "Put a drive in."),
        "looking": Look("Looking", "blue", "search", "Wait a moment."),
        "refused": Look("Not offered", "amber", "hand", "Take it out and show it to a supervisor."),
        "failing": Look("Not worth wiping", "red", "broken", "Take it out."),
        "blocked": Look("Cannot start yet", "amber", "hand", "Read the reason below."),
        "ready": Look("Ready", "blue", "keyboard", "Read the serial number on the drive and type its last four."),
        "interrupted": Look("Interrupted", "amber", "resume", "Type the last four to go on."),
        "armed": Look("Armed", "blue", "play", "Press start."),
        "waiting": Look("Waiting its turn", "blue", "clock", "Nothing to do: it starts by itself."),
        "starting": Look("Starting", "blue", "play", "Nothing to do."),
        "working": Look("Wiping", "blue", "wipe", "Nothing to do. Do not unplug it."),
        "erasing": Look("Erasing inside the drive", "blue", "power", "Keep powered. Do not unplug it."),
        "proving": Look("Checking", "blue", "eye", "Nothing to do. Do not unplug it."),
        "paused": Look("Paused: too hot", "amber", "heat", "Give it air. It goes on by itself."),
        "stopping": Look("Stopping", "amber", "stop", "Wait a moment."),
        "busy": Look("In use", "amber", "hand", "Somebody works on it from the command line. Leave it."),
        "stuck": Look("Stuck", "red", "unplug", "Unplug this one."),
        "done": Look("Wiped", "green", "tick", "Take it out and put it with the wiped ones."),
        "not-run": Look("Not wiped", "amber", "cross", "Nothing was touched: it holds what it held."),
        "unknown": Look("Not known to be wiped", "red", "question", "Put it in the red box."),
        "pulled": Look("Pulled out too early", "red", "unplug", "Put it back into any bay."),
        "destroy": Look("To be destroyed", "red", "broken", "Put it in the red box."),
    }
)
"""Every state a tile can be in. Green is for one of them only."""


@dataclass(frozen=True)
class MediumShown:
    """The drive in a bay. `serial` hides its last four until it is armed; `tail` is "" until then. Size in bytes.

    `health` is good, watch, bad or unknown, `health_words` the reasons; temperature in degrees Celsius.
    """

    id: str
    path: str
    make: str
    model: str
    serial: str
    tail: str
    size: int
    kind: str
    health: str
    health_words: tuple[str, ...]
    temperature: float | None


@dataclass(frozen=True)
class PlanShown:
    """What would be done or is being done: the profile, the method, how far that reaches, and who must agree."""

    profile: str
    method: str
    technique: str
    wants: str
    reaches: str
    needs_supervisor: bool
    lines: tuple[str, ...]

    @property
    def short(self) -> str:
        """Return the words PURGE UNAVAILABLE (or CLEAR) when less than wanted would be reached, else ""."""
        return f"{self.wants.upper()} UNAVAILABLE" if self.needs_supervisor else ""


@dataclass(frozen=True)
class Tile:
    """One bay, or (in `BenchState.aside`) one drive that is in no bay and still unsettled.

    `percent` is of the whole job; `done` and `total` are bytes of this stage, `rate` bytes a second; `seconds_left` and
    `finish_at` are about the whole job and None and "" while nothing was measured. `cancel` says what cancelling would
    do now; "" when there is nothing to cancel. `can` are the kinds of order that make sense now.
    """

    bay: str
    number: int
    place: str  # the socket: udev's ID_PATH, a loop device, or a practice drive's file
    state: str  # a key of LOOKS
    word: str
    colour: str
    icon: str
    instruction: str
    code: str  # E01 and so on, "" when nothing is wrong
    reasons: tuple[str, ...]
    medium: MediumShown | None
    plan: PlanShown | None
    stage: str
    percent: float | None
    done: int
    total: int
    rate: float
    seconds_left: float | None
    finish_at: str
    cancel: str
    can: tuple[str, ...]
    type_what: str
    armed_seconds: float | None
    wrong: int
    resumes_at: float | None  # per cent, where an unfinished wipe would go on
    since: str
    claim: str
    event: str

    def to_json(self) -> dict[str, Any]:
        """Return the tile as JSON data."""
        data: dict[str, Any] = records.to_json(self)
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Tile":
        """Read what `to_json` gave; raises ValueError."""
        return records.from_json(cls, data)


def tile(bay: str, number: int, place: str, state: str, **facts: Any) -> Tile:
    """Return a tile in this state, with its word, colour, icon and instruction, and whatever else is known of it."""
    look = LOOKS[state]
    plain: dict[str, Any] = {field.name: _EMPTY.get(field.name, "") for field in fields(Tile)}
    plain.update(bay=bay, number=number, place=place, state=state, word=look.word, colour=look.colour, icon=look.icon)
    plain.update(instruction=look.instruction)
    return Tile(**{**plain, **facts})


_EMPTY: Mapping[str, Any] = MappingProxyType(
    {
        "reasons": (), "medium": None, "plan": None, "percent": None, "done": 0, "total": 0, "rate": 0.0,
        "seconds_left": None, "can": (), "armed_seconds": None, "wrong": 0, "resumes_at": None,
    }
)  # fmt: skip


@dataclass(frozen=True)
class BenchState:
    """Everything a screen shows. `beat` are seconds of the system's monotonic clock, `boot` the start it counts from.

    `aside` are red tiles of drives in no bay that are unsettled; `outside` names drives seen in no configured bay.
    """

    version: int
    station: str
    world: str
    at: str
    beat: float
    boot: str
    pid: int
    tiles: tuple[Tile, ...]
    aside: tuple[Tile, ...]
    outside: tuple[str, ...]
    trouble: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the state as JSON data."""
        data: dict[str, Any] = records.to_json(self)
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "BenchState":
        """Read what `to_json` gave; raises ValueError."""
        return records.from_json(cls, data)

    def fresh(self, monotonic: float, boot: str) -> bool:
        """Tell whether this is about now; if not, a screen says that the bench has stopped and shows no green."""
        return self.boot == boot and 0 <= monotonic - self.beat <= FRESH

    def by_a_running_bench(self) -> bool:
        """Tell whether the process that said this still runs, or another of its number."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True


def boot_id(file: Path = BOOT_ID) -> str:
    """Return the name of this start of the machine (random(4): a new one at each boot); "" when there is none."""
    try:
        return file.read_text("ascii").strip()
    except OSError:
        return ""


def publish(state: BenchState, file: Path, group: int | None = None) -> None:
    """Replace the state file as a whole, readable by its group; raises OSError when that is not possible.

    Not flushed to the disk on purpose: after a power cut it would only say what is no longer so.
    """
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as out:
            if group is not None:
                os.fchown(out.fileno(), -1, group)
            json.dump(state.to_json(), out, separators=(",", ":"))
        os.replace(temporary, file)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def beat(file: Path, group: int | None = None) -> None:
    """Tell that the bench runs, beside its state, in a way that needs no room on the disk; raises OSError."""
    pulse = file.with_name(PULSE)
    try:
        os.utime(pulse, follow_symlinks=False)
    except FileNotFoundError:
        fd = os.open(pulse, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
        try:
            if group is not None:
                os.fchown(fd, -1, group)
        finally:
            os.close(fd)


def beats(file: Path) -> bool:
    """Tell whether the bench behind a state file runs, also when it cannot write what its bays are like."""
    try:
        return abs(time.time() - file.with_name(PULSE).stat().st_mtime) <= FRESH
    except OSError:
        return False


def read_state(file: Path) -> BenchState:
    """Read the state file; raises OSError when there is none, ValueError when it is not one of ours."""
    data = json.loads(file.read_text("utf-8"))
    if not isinstance(data, dict) or data.get("version") != VERSION:
        raise ValueError(f"{file} is not a state of this version of the bench")
    return BenchState.from_json(data)


def now_beat() -> float:
    """Return the seconds that `beat` counts: CLOCK_MONOTONIC is one clock for all processes (clock_gettime(2))."""
    return time.clock_gettime(time.CLOCK_MONOTONIC)
