"""What was done to one drive, written so that a power cut at any moment leaves something to go on from.

One file per medium, named by its id, holding one JSON object per line, each with a checksum. Promises:

- `write` returns only when the line is on the medium that holds the log (fdatasync);
- room for the whole job and its end is reserved, really written, before the drive is touched, so that a disk
  that fills up meanwhile cannot keep the end from being recorded;
- lines are only ever added; a line torn by a power cut is ignored and made blank, anything worse is said;
- one process at a time (flock).

What the lines mean is read by `job_of`, which is pure: what may be believed about the last run of this drive.
"""

import fcntl
import json
import os
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from custody.claims import BadRange, Firmware, PassDone
from custody.errors import Reason
from custody.events import MediumId
from station.errors import GuardRefused, NotDone

RESERVE = 512 * 1024  # bytes kept for the last lines: the evidence and the outcome
_LINE = 160  # bytes, what one line of progress takes at most


class WorklogFull(NotDone):
    """No room for the log of a drive; nothing may go on that could not be recorded."""


class WorklogDamaged(NotDone):
    """The log of a drive does not hold what was written to it, so nothing in it is believed."""


@dataclass(frozen=True)
class Reached:
    """How far one pass is: everything below byte `upto` is flushed; `begun` counts its starts and resumes."""

    upto: int = 0
    bad: tuple[BadRange, ...] = ()
    seconds: float = 0.0
    begun: int = 0
    rewritten: int = 0  # bytes that may have been written twice, at most


@dataclass(frozen=True)
class Job:
    """The last run on a drive, as far as its log can vouch for it."""

    run: str
    seed: bytes
    profile: str
    digest: str
    method: str
    passes: tuple[str, ...]
    size: int
    hidden_areas: str = "unknown"  # as planned: a drive at work on its own erase may not say again
    after: str | None = None  # the exit that this wipe answers; a wipe before an exit says nothing after it
    canaries: Mapping[str, Any] | None = None
    done: tuple[PassDone, ...] = ()
    reached: Reached = field(default_factory=Reached)
    notes: tuple[str, ...] = ()
    finished: bool = False
    event: str | None = None
    command: Mapping[str, Any] | None = None  # the last command of the drive's own that was about to be sent
    working: bool = False  # the drive was seen at work on it
    firmware: Firmware | None = None  # what became of it, once that is known
    looked: Mapping[str, Any] | None = None  # what the reader found after it, where a pass follows

    @property
    def begun(self) -> bool:
        """Tell whether wiping has begun, so that canaries must not be planted any more."""
        return bool(self.done or self.reached.begun or self.command)


def job_of(entries: Iterable[Mapping[str, Any]]) -> Job | None:
    """Return the last run of a drive, or None when there never was one."""
    job: Job | None = None
    for entry in entries:
        job = _begin(entry) if entry["kind"] == "intent" else job and _next(job, entry)
    return job


def _begin(entry: Mapping[str, Any]) -> Job:
    return Job(
        run=entry["run"],
        seed=bytes.fromhex(entry["seed"]),
        profile=entry["profile"],
        digest=entry["digest"],
        method=entry["method"],
        passes=tuple(entry["passes"]),
        size=entry["size"],
        hidden_areas=entry.get("hidden_areas", "unknown"),
        after=entry.get("after"),
    )


def _with(job: Job, **changes: Any) -> Job:
    return Job(**{**vars(job), **changes})


def _next(job: Job, entry: Mapping[str, Any]) -> Job:
    kind, reached = entry["kind"], job.reached
    if kind == "canaries":
        return _with(job, canaries=entry)
    if kind == "issued":
        again = Reached(
            upto=entry["start"],
            bad=reached.bad if entry["start"] else (),
            seconds=reached.seconds,
            begun=reached.begun + 1,
            rewritten=reached.rewritten + entry["rewritten"],
        )
        return _with(job, reached=again, finished=False, event=None)
    if kind == "reached":
        bad = ranges(entry["bad"]) if "bad" in entry else reached.bad
        return _with(job, reached=Reached(entry["upto"], bad, entry["seconds"], reached.begun, reached.rewritten))
    if kind == "pass":
        done = PassDone(**{**entry["figures"], "bad": ranges(entry["figures"]["bad"])})
        return _with(job, done=(*job.done, done), reached=Reached())
    if kind == "command":
        return _with(job, command=entry, working=False, firmware=None, looked=None, finished=False, event=None)
    if kind == "working":
        return _with(job, working=True)
    if kind == "firmware":
        figures = entry["figures"]
        return _with(job, firmware=Firmware(**{**figures, "argv": tuple(figures["argv"])}))
    if kind == "looked":
        return _with(job, looked=entry)
    if kind == "note":
        return _with(job, notes=(*job.notes, entry["text"]))
    if kind == "outcome":
        return _with(job, finished=not entry["resumable"], event=entry["event"])
    return job


def ranges(pairs: Sequence[Any]) -> tuple[BadRange, ...]:
    """Read what `pairs` wrote."""
    return tuple(BadRange(start, length) for start, length in pairs)


def pairs(bad: Iterable[BadRange]) -> list[list[int]]:
    """Return ranges as JSON data, short."""
    return [[one.start, one.length] for one in bad]


def room_for(size: int, passes: int, interval: int) -> int:
    """Return how many bytes the log of a whole job needs; `size` and `interval` in bytes of the drive."""
    return RESERVE + _LINE * (passes * (size // interval + 8) + 64)


def encode(entry: Mapping[str, Any]) -> bytes:
    """Return one line with its checksum."""
    plain = json.dumps(entry, separators=(",", ":"))
    return f'{plain[:-1]},"crc":"{zlib.crc32(plain.encode()):08x}"}}\n'.encode()


def _decode(line: bytes) -> dict[str, Any] | None:
    with suppress(ValueError, KeyError, AttributeError):
        entry: dict[str, Any] = json.loads(line)
        crc = entry.pop("crc")
        plain = json.dumps(entry, separators=(",", ":"))
        if f"{zlib.crc32(plain.encode()):08x}" == crc and isinstance(entry["kind"], str):
            return entry
    return None


def parse(data: bytes) -> tuple[list[dict[str, Any]], int]:
    """Return the entries and where the next line goes (bytes). Only the very last line may be torn.

    Raises WorklogDamaged when a line before the last one is not what was written.
    """
    entries: list[dict[str, Any]] = []
    end = 0
    *lines, _ = data.rstrip(b"\0").split(b"\n")  # what no newline ends was torn, however whole it looks
    for line in lines:
        entry = _decode(line)
        if entry is None:
            break
        entries.append(entry)
        end += len(line) + 1
    if b"\n" in data[end:].rstrip(b"\0").rstrip(b"\n"):
        raise WorklogDamaged(
            f"the work log is damaged after entry {len(entries)}; keep the file for an administrator, "
            "move it away, and wipe the drive from the start"
        )
    return entries, end


def read(folder: Path, medium: MediumId) -> list[dict[str, Any]]:
    """Return the entries of a drive's log without touching it; [] when there is none."""
    try:
        return parse((folder / f"{medium}.jsonl").read_bytes())[0]
    except FileNotFoundError:
        return []


class Worklog:
    """The open log of one drive; a context manager. `now` is the clock for the time in each line."""

    def __init__(self, folder: Path, medium: MediumId, now: Callable[[], datetime]) -> None:
        """Open or create the log; raises GuardRefused when another process has it, WorklogFull, WorklogDamaged."""
        self._now = now
        self.path = folder / f"{medium}.jsonl"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise WorklogFull(f"the work log {self.path} cannot be opened: {error.strerror}") from error
        try:
            self._start(medium)
        except BaseException:
            os.close(self._fd)
            raise

    def _start(self, medium: MediumId) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            text = "another process is working on this drive; wait for it, or end it first"
            raise GuardRefused([Reason("busy", text, medium)]) from error
        data = self.path.read_bytes()
        entries, self._end = parse(data)
        self.entries: list[dict[str, Any]] = entries
        self._allocated = len(data)
        if data[self._end :].rstrip(b"\0"):  # a torn last line
            self._put(bytes(len(data) - self._end), self._end)

    def _put(self, data: bytes, at: int) -> None:
        try:
            view = memoryview(data)
            while view:
                written = os.pwrite(self._fd, view, at)
                view, at = view[written:], at + written
            os.fdatasync(self._fd)
        except OSError as error:
            raise WorklogFull(f"the work log {self.path} cannot be written: {error.strerror}") from error

    def reserve(self, room: int) -> None:
        """Make sure, by writing it, that `room` bytes can still be added; raises WorklogFull."""
        missing = self._end + room - self._allocated
        if missing > 0:
            self._put(bytes(missing), self._allocated)
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)  # the file's own name must survive too
            finally:
                os.close(folder)
            self._allocated += missing

    def write(self, kind: str, /, *, last: bool = False, **fields: Any) -> None:
        """Add one line and return when it is safe; `last` lines may use the reserve. Raises WorklogFull."""
        entry = {"kind": kind, "at": self._now().isoformat(), **fields}
        line = encode(entry)
        if not last and self._end + len(line) > self._allocated - RESERVE:
            self.reserve(RESERVE + 64 * 1024)
        self._put(line, self._end)
        self._end += len(line)
        self._allocated = max(self._allocated, self._end)
        self.entries.append(entry)

    @property
    def job(self) -> Job | None:
        """Return the last run of this drive."""
        return job_of(self.entries)

    def close(self) -> None:
        """Let go of the log."""
        os.close(self._fd)

    def __enter__(self) -> Self:
        """Return the log itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of the log."""
        self.close()
