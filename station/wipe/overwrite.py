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
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType

from custody.claims import BadRange, Claim
from station.errors import StationError
from station.wipe.blockio import CHUNK, DriveStopped, Raw, buffer, merge, total, write_narrowing
from station.wipe.methods import Method
from station.wipe.patterns import Pattern
from wipe_profiles import PATTERNS

MEBIBYTE = 1024 * 1024
WINDOW = 64 * MEBIBYTE
_LARGEST_INTERVAL = WINDOW // 2
_SMALLEST_INTERVAL = MEBIBYTE
_GIVE_UP_AFTER = 8  # pieces in a row of which not one sector could be written
_PIECES_AHEAD = 4


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
        self.reached = start
        self._pool = ThreadPoolExecutor(1, "flush")
        self._running: Future[int] | None = None

    def _flush(self, upto: int) -> int:
        self._raw.flush()
        self._raw.check_there()
        self._mark(upto)
        return upto

    def _collect(self) -> None:
        """Wait for the flush that is under way; raises DriveStopped when the drive did not confirm it."""
        if self._running is None:
            return
        try:
            self.reached = self._running.result()
        except OSError as error:
            text = f"the drive did not confirm what was written ({error.strerror})"
            raise DriveStopped(text) from error
        finally:
            self._running = None

    def room_for(self, end: int) -> None:
        """Return when bytes up to `end` may be written; raises what stopped the flushing."""
        if end - self.reached > self._window:
            self._collect()

    def wrote(self, end: int) -> None:
        """Note that everything below `end` was written or mapped; flush when an interval is full."""
        if self._running is not None and self._running.done():
            self._collect()
        if self._running is None and end - self.reached >= self._interval:
            self._running = self._pool.submit(self._flush, end)

    def finish(self, end: int) -> None:
        """Flush up to `end` and return when the log has it; raises what stopped the flushing."""
        self._collect()
        if self.reached < end:
            self._running = self._pool.submit(self._flush, end)
            self._collect()

    def close(self) -> None:
        """End the thread; a flush under way is waited for."""
        self._pool.shutdown(wait=True)


@contextmanager
def _content(pattern: Pattern, start: int, end: int, chunk: int) -> Iterator[Iterator[tuple[int, memoryview]]]:
    """Yield an iterator of (offset, filled piece) from `start` to `end`; streams are made ahead in threads."""
    offsets = range(start, end, chunk)
    if pattern.constant:
        same = buffer(chunk)
        pattern.fill(same, 0)
        yield ((at, same[: min(chunk, end - at)]) for at in offsets)
        return
    makers = 1 if len(os.sched_getaffinity(0)) <= 2 else 2  # on two cores a second one only gets in the way
    with ThreadPoolExecutor(makers, "stream") as pool:

        def make(at: int, whole: memoryview) -> tuple[int, memoryview, Future[None]]:
            return at, whole, pool.submit(pattern.fill, whole[: min(chunk, end - at)], at)

        def take() -> Iterator[tuple[int, memoryview]]:
            waiting = iter(offsets)
            ahead = deque(make(at, buffer(chunk)) for at in islice(waiting, _PIECES_AHEAD))
            while ahead:
                at, whole, made = ahead.popleft()
                made.result()
                yield at, whole[: min(chunk, end - at)]
                following = next(waiting, None)
                if following is not None:
                    ahead.append(make(following, whole))

        yield take()


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
