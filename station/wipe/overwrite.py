"""The overwriting engine: write every addressable byte, past the cache, flushed, mapped and resumable.

Promises of `run_pass`:

- what is reported as reached was confirmed by the drive (flush) and then by the log, in that order;
- at most `WINDOW` bytes (64 MiB) are ever written beyond what the log says, so that a kill at any moment costs
  at most that much writing twice;
- what cannot be written is narrowed down to sectors and reported, and the rest is still written;
- a drive that is gone, changed its size, does not confirm a flush or refuses everything stops the pass, which
  then says how far it came and why; nothing here ever calls a pass finished that was not.

Making the random stream, writing, and flushing run in threads of their own, so the slowest sets the pace.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType

from custody.claims import BadRange, Claim
from station.errors import StationError
from station.wipe.blockio import CHUNK, DriveStopped, Raw, buffer, merge, total, write_narrowing
from station.wipe.patterns import Pattern
from wipe_profiles import PATTERNS

MEBIBYTE = 1024 * 1024
WINDOW = 64 * MEBIBYTE
_LARGEST_INTERVAL = WINDOW // 2
_SMALLEST_INTERVAL = MEBIBYTE
_GIVE_UP_AFTER = 8  # pieces in a row of which not one sector could be written
_PIECES_AHEAD = 4


@dataclass(frozen=True)
class Method:
    """One way of wiping: its technique in the evidence, its passes in order, and the most it can reach."""

    name: str
    technique: str
    passes: tuple[str, ...]
    reaches: Claim


METHODS: Mapping[str, Method] = MappingProxyType(
    {name: Method(name, "overwrite", passes, Claim.CLEAR) for name, passes in PATTERNS.items()}
)


@dataclass(frozen=True)
class PassResult:
    """How one pass (or its rest, after a resume) went. Offsets and sizes in bytes, time in seconds.

    `reached`: everything below was written or mapped as bad, and flushed. `stopped` is "" when it came to its end.
    """

    reached: int
    bad: tuple[BadRange, ...]
    flushed: bool
    seconds: float
    direct: bool
    stopped: str


def interval_for(size: int) -> int:
    """Return how many bytes lie between two flushes: 1/16 of the drive, from 1 to 32 MiB."""
    sixteenth = size // 16 // MEBIBYTE * MEBIBYTE
    return max(_SMALLEST_INTERVAL, min(_LARGEST_INTERVAL, sixteenth))


class _Flusher:
    """Flush behind the writer, and log only what was flushed; hold the writer back at the window's edge."""

    def __init__(self, raw: Raw, start: int, interval: int, mark: Callable[[int], None]) -> None:
        self._raw, self._interval, self._mark = raw, interval, mark
        self._window = min(WINDOW, 2 * interval)
        self._wanted = self.reached = start
        self._error: Exception | None = None
        self._closing = False
        self._state = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="flush", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while True:
            with self._state:
                self._state.wait_for(lambda: self._closing or self._wanted > self.reached)
                upto = self._wanted
                if upto == self.reached:
                    return
            try:
                self._raw.flush()
                self._raw.check_there()
                self._mark(upto)
            except Exception as error:  # handed to the writer, which raises it
                with self._state:
                    self._error = error
                    self._state.notify_all()
                return
            with self._state:
                self.reached = upto
                self._state.notify_all()

    def _check(self) -> None:
        if isinstance(self._error, OSError):
            text = f"the drive did not confirm what was written ({self._error.strerror})"
            raise DriveStopped(text) from self._error
        if self._error is not None:
            raise self._error

    def room_for(self, end: int) -> None:
        """Return when bytes up to `end` may be written; raises what stopped the flushing."""
        with self._state:
            self._check()
            self._state.wait_for(lambda: self._error is not None or end - self.reached <= self._window)
            self._check()

    def wrote(self, end: int) -> None:
        """Note that everything below `end` was written or mapped; flush when an interval is full."""
        with self._state:
            if end - self._wanted >= self._interval:
                self._wanted = end
                self._state.notify_all()

    def finish(self, end: int) -> None:
        """Flush up to `end` and return when the log has it; raises what stopped the flushing."""
        with self._state:
            self._wanted = end
            self._state.notify_all()
            self._state.wait_for(lambda: self._error is not None or self.reached >= end)
            self._check()

    def close(self) -> None:
        """End the thread; what was asked for before is still flushed."""
        with self._state:
            self._closing = True
            self._state.notify_all()
        self._thread.join()


class _Makers:
    """Fill pieces ahead of the writer in threads; hand them over in the order of their offsets."""

    def __init__(self, pattern: Pattern, offsets: range, end: int) -> None:
        self._pattern, self._end, self._chunk = pattern, end, offsets.step
        self._waiting = iter(offsets)
        self._free = [buffer(offsets.step) for _ in range(_PIECES_AHEAD)]
        self._full: dict[int, memoryview] = {}
        self._error: Exception | None = None
        self._closing = False
        self._state = threading.Condition()
        makers = 1 if len(os.sched_getaffinity(0)) <= 2 else 2  # on two cores a second one only gets in the way
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(makers)]
        for thread in self._threads:
            thread.start()

    def _work(self) -> None:
        while True:
            with self._state:
                self._state.wait_for(lambda: self._closing or self._free)
                at = None if self._closing else next(self._waiting, None)
                if at is None:
                    return
                piece = self._free.pop()  # taken together with its offset, so the next one due always has one
            try:
                self._pattern.fill(piece[: min(self._chunk, self._end - at)], at)
            except Exception as error:  # handed to the writer, which raises it
                self._error = error
            with self._state:
                self._full[at] = piece
                self._state.notify_all()

    def take(self, at: int) -> memoryview:
        """Return the filled piece that belongs at byte `at`."""
        with self._state:
            self._state.wait_for(lambda: at in self._full)
            if self._error is not None:
                raise self._error
            return self._full.pop(at)

    def give_back(self, piece: memoryview) -> None:
        """Return a written piece for filling again."""
        with self._state:
            self._free.append(piece)
            self._state.notify_all()

    def close(self) -> None:
        """End the threads."""
        with self._state:
            self._closing = True
            self._state.notify_all()
        for thread in self._threads:
            thread.join()


@contextmanager
def _content(pattern: Pattern, start: int, end: int, chunk: int) -> Iterator[Iterator[tuple[int, memoryview]]]:
    """Yield an iterator of (offset, filled piece) from `start` to `end`; streams are made ahead in threads."""
    offsets = range(start, end, chunk)
    if pattern.constant:
        same = buffer(chunk)
        pattern.fill(same, 0)
        yield ((at, same[: min(chunk, end - at)]) for at in offsets)
        return
    makers = _Makers(pattern, offsets, end)

    def take() -> Iterator[tuple[int, memoryview]]:
        for at in offsets:
            piece = makers.take(at)
            yield at, piece[: min(chunk, end - at)]
            makers.give_back(piece)

    try:
        yield take()
    finally:
        makers.close()


def _write(raw: Raw, at: int, piece: memoryview, dead: int) -> tuple[BadRange, ...]:
    """Write one piece; after a piece without one good sector look at the ends first, not at every sector."""
    if not dead:
        return write_narrowing(raw, at, piece)
    ends = (piece[: raw.sector], at), (piece[-raw.sector :], at + len(piece) - raw.sector)
    if all(write_narrowing(raw, max(at, where), end) for end, where in ends):
        return (BadRange(at, len(piece)),)
    return write_narrowing(raw, at, piece)


def run_pass(
    raw: Raw,
    pattern: Pattern,
    *,
    start: int = 0,
    bad: Sequence[BadRange] = (),
    mark: Callable[[int, tuple[BadRange, ...]], None],
    tick: Callable[[int], None] = lambda moved: None,
    clock: Callable[[], float] = time.monotonic,
) -> PassResult:
    """Write `pattern` from byte `start` to the end of the drive; never raises for what the drive or the log does.

    `mark(reached, bad)` is called (from another thread) after each flush and must make its note durable before
    it returns; `tick` hears how many bytes were written. `bad` are ranges below `start` known from before a resume.
    """
    begun = clock()
    found = list(bad)
    interval = interval_for(raw.size)
    chunk = min(CHUNK, interval)
    flusher = _Flusher(raw, start, interval, lambda upto: mark(upto, merge(found)))
    stopped, dead = "", 0
    try:
        with _content(pattern, start, raw.size, chunk) as pieces:
            for at, piece in pieces:
                flusher.room_for(at + len(piece))
                new = _write(raw, at, piece, dead)
                found.extend(new)
                dead = dead + 1 if total(new) >= len(piece) else 0
                if dead >= _GIVE_UP_AFTER:
                    raise DriveStopped("the drive refuses every write, piece after piece")
                tick(len(piece))
                flusher.wrote(at + len(piece))
        flusher.finish(raw.size)
    except StationError as error:  # the drive's end, or the log's
        stopped = str(error)
    finally:
        flusher.close()
    finished = not stopped and flusher.reached == raw.size
    return PassResult(
        reached=flusher.reached,
        bad=merge(found),
        flushed=finished,
        seconds=clock() - begun,
        direct=raw.direct,
        stopped=stopped,
    )
