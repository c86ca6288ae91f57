"""An erase under way: it takes time, can be watched, outlives a power cut, and obeys the drive's lies."""

import threading
from collections.abc import Callable

from tests.drives.clock import Clock
from tests.drives.lies import Lie
from tests.drives.medium import BLOCK, Medium

VENDOR_PATTERN = "33cc55aa"  # seen in the field after an enhanced erase, STATION.md §5


class Erasure:
    """Replaces content by `pattern` (None: random) from sector 0 to `sectors` in `seconds` of powered time.

    `ended` is "" while it works, then "good" or "failed". Nothing happens between calls of `advance`, but
    what `advance` finds is as if the work had gone on all the time.
    """

    def __init__(
        self, medium: Medium, clock: Clock, *, pattern: bytes | None, seconds: float, sectors: int,
        half_way: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self.ended = ""
        self.share = 0.0
        self._one_at_a_time = threading.Lock()
        self._medium, self._clock = medium, clock
        self._pattern, self._seconds, self._sectors, self._half_way = pattern, seconds, sectors, half_way
        self._since: float | None = clock.now()
        self._spent = 0.0
        self._settled = 0
        self._passed_half = False
        per_block = max(1, BLOCK // medium.sector_size)
        self._kept = medium.lies.number(Lie.KEEPS_ONE_BLOCK, medium.last_written) // per_block * per_block
        self._kept_end = self._kept + per_block
        medium.flush()

    def advance(self) -> float:
        """Do what is due by now; return the share done, 0 to 1. May be called from several threads."""
        with self._one_at_a_time:
            return self._advance()

    def _advance(self) -> float:
        if self.ended:
            return self.share
        lies = self._medium.lies
        spent = self._spent + (self._clock.now() - self._since if self._since is not None else 0.0)
        share = min(1.0, spent / self._seconds) if self._seconds > 0 else 1.0
        if Lie.PROGRESS_STUCK in lies:
            share = min(share, lies.number(Lie.PROGRESS_STUCK, 37) / 100)
        if Lie.FAILS_AT_65535 in lies and share >= 0.5:
            share, self.ended = 0.5, "failed"
        elif share >= 1.0:
            self.ended = "good"
        self.share = max(self.share, share)
        self._settle(int(self._sectors * self.share))
        if self.share >= 0.5 and not self._passed_half:
            self._passed_half = True
            self._half_way()
        return self.share

    def pause(self) -> None:
        """Power is gone: stop here."""
        self.advance()
        if self._since is not None:
            self._spent += self._clock.now() - self._since
        self._since = None

    def resume(self) -> None:
        """Power is back: go on."""
        self._since = self._clock.now()

    def _settle(self, to: int) -> None:
        """Erase up to sector `to`, as far as the lies allow."""
        lies = self._medium.lies
        first, self._settled = self._settled, max(self._settled, to)
        if Lie.KEEPS_LAST_PERCENT in lies:
            to = min(to, self._sectors - self._sectors * lies.number(Lie.KEEPS_LAST_PERCENT, 1) // 100)
        if Lie.STOPS_HALFWAY in lies:
            to = min(to, self._sectors // 2)
        if Lie.KEEPS_ONE_BLOCK in lies:
            self._wipe(first, min(to, self._kept))
            first = max(first, self._kept_end) if first >= self._kept or to > self._kept else first
            if to <= self._kept:
                return
        self._wipe(first, to)

    def _wipe(self, first: int, end: int) -> None:
        """Erase a part, or only look so."""
        lies = self._medium.lies
        if end <= first or Lie.ERASES_NOTHING in lies:
            return
        if Lie.ZEROS_WITHOUT_ERASING in lies:
            self._medium.forget(first, end)
            return
        self._medium.fill(first, end, self._pattern)


def pattern_after(medium: Medium, usual: bytes | None, *, crypto: bool) -> bytes | None:
    """Return what an erased sector reads as on this drive: its usual pattern unless an honest oddity says else."""
    if crypto and Lie.RANDOM_AFTER_CRYPTO in medium.lies:
        return None
    if Lie.VENDOR_PATTERN in medium.lies:
        return bytes.fromhex(medium.lies.told[Lie.VENDOR_PATTERN] or VENDOR_PATTERN)
    return usual
