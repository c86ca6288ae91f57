"""What a wiping child and the bench tell each other: one small file per drive, in two pages.

The child writes page 0 (how far it is, how warm, how it ended), the bench page 1 (what it wishes). A file instead of a
pipe, so that a bench that was killed and started again finds every wipe where it left it, and no wipe dies with the
bench. Both pages are written when the file is made, so that a full disk cannot keep a child from telling. Nothing here
is evidence: that is in the work log and the journal.
"""

import json
import os
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from station import records
from station.bays_state import boot_id

PAGE = 8192  # bytes
_SHORTEN = 300  # characters of one sentence


@dataclass(frozen=True)
class Told:
    """What a child says. Times in seconds of the monotonic clock, sizes in bytes, temperature in degrees Celsius.

    `moved` is when anything last progressed; a pause counts as progress. `outcome` is "" until the end, then DONE,
    NOT_RUN, UNKNOWN or REFUSED (nothing was touched). `patience` is how long nothing may move, 0: the bench's own.
    """

    phase: str = "starting"  # starting working paused ended
    stage: str = ""
    done: int = 0
    total: int = 0
    percent: float | None = None
    rate: float = 0.0
    seconds_left: float | None = None
    moved: float = 0.0
    touched: bool = False
    stoppable: bool = True
    cancel: str = ""
    by_firmware: bool = False
    patience: float = 0.0
    temperature: float | None = None
    hot: bool = False
    readers: tuple[int, ...] = ()
    outcome: str = ""
    claim: str = ""
    event: str = ""
    codes: tuple[str, ...] = ()
    sentences: tuple[str, ...] = ()
    resumable: bool = False


@dataclass(frozen=True)
class Who:
    """Which process it is: its number alone is used again, so its start (clock ticks since boot) and the boot count."""

    pid: int
    ticks: int
    boot: str


@dataclass(frozen=True)
class Wish:
    """What the bench wishes of a child: run, pause or stop; `who` asked for it."""

    what: str = "run"
    who: str = ""


@dataclass(frozen=True)
class Said:
    """Page 0: who says it, about which drive in which bay, and what."""

    who: Who
    medium: str
    bay: str
    place: str
    path: str
    sequence: int
    operator: str
    profile: str
    told: Told = field(default_factory=Told)


class Slot:
    """One such file, open. The bench makes it; the child opens it."""

    def __init__(self, file: Path) -> None:
        """Open it; raises OSError."""
        self.file = file
        self._fd = os.open(file, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)

    @classmethod
    def make(cls, file: Path) -> "Slot":
        """Make it, both pages written; raises OSError when there is no room."""
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(fd, "wb", buffering=0) as out:
            if out.write(bytes(2 * PAGE)) != 2 * PAGE:
                raise OSError("no room for two pages")
        return cls(file)

    def say(self, said: Said) -> None:
        """Write page 0; shortens what does not fit, and raises nothing: a wipe goes on without being heard."""
        texts = tuple(text[:_SHORTEN] for text in said.told.sentences[:8])
        self._put(0, replace(said, told=replace(said.told, sentences=texts, codes=said.told.codes[:16])))

    def wish(self, wish: Wish) -> None:
        """Write page 1."""
        self._put(PAGE, wish)

    def said(self) -> Said | None:
        """Return what the child said last; None when it said nothing yet, or is saying it this moment."""
        data = self._get(0)
        with suppress(ValueError, TypeError, KeyError):
            return None if data is None else records.from_json(Said, data)
        return None

    def wished(self) -> Wish:
        """Return what the bench wishes; to run, when that cannot be read."""
        data = self._get(PAGE)
        with suppress(ValueError, TypeError, KeyError):
            return Wish() if data is None else records.from_json(Wish, data)
        return Wish()

    def _put(self, at: int, record: Said | Wish) -> None:
        text = json.dumps(records.to_json(record), separators=(",", ":")).encode()
        page = b"%08x %s" % (zlib.crc32(text), text)
        if len(page) <= PAGE:
            with suppress(OSError):
                os.pwrite(self._fd, page.ljust(PAGE, b"\0"), at)

    def _get(self, at: int) -> Mapping[str, Any] | None:
        with suppress(OSError, ValueError):
            page = os.pread(self._fd, PAGE, at).rstrip(b"\0")
            check, text = page[:8], page[9:]
            if text and int(check, 16) == zlib.crc32(text):
                data = json.loads(text)
                return data if isinstance(data, dict) else None
        return None

    def close(self) -> None:
        """Let go of the file."""
        with suppress(OSError):
            os.close(self._fd)


def who_is(pid: int) -> Who | None:
    """Return which process has this number now; None when there is none, or only its corpse.

    Source: proc_pid_stat(5), fields 3 (state) and 22 (starttime); the name in field 2 may hold blanks and brackets.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        return None if stat[0] in "ZX" else Who(pid, int(stat[19]), boot_id())
    except (OSError, ValueError, IndexError):
        return None


def alive(who: Who) -> bool:
    """Tell whether that very process still runs."""
    return who_is(who.pid) == who


def states_of(pid: int) -> str:
    """Return the letters of the states of a process's threads ("D": waiting for a device, not to be woken)."""
    letters = ""
    for task in Path(f"/proc/{pid}/task").glob("*/stat"):
        with suppress(OSError, IndexError):
            letters += task.read_text("utf-8", "replace").rpartition(")")[2].split()[0]
    return letters


