"""How far the whole job is, how fast, and when it will honestly be finished: canaries, every pass, reading back."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

DRIVE_WORKS = "the drive erases itself"
"""The stage in which only the drive knows how far it is."""

_FIRST_WORD_AFTER = 1.0  # seconds of measuring before a finish time is given at all
_EVERY = 0.2  # seconds


@dataclass(frozen=True)
class Progress:
    """One moment of a job: bytes done and to do in this stage, bytes per second, seconds to the end of the *job*.

    `seconds_left` is None as long as nothing was measured: no guess is shown as a figure. While the drive erases
    itself `total` is 0 as long as it does not say how far it is, and `words` is what it says.
    """

    stage: str
    done: int
    total: int
    rate: float
    seconds_left: float | None
    words: str = ""


Show = Callable[[Progress], None]


def silent(moment: Progress) -> None:
    """Show nothing."""


class Meter:
    """Counts bytes through the stages of one job. `stages` are (name, bytes) in order; reading stages begin "read"."""

    def __init__(
        self, stages: Sequence[tuple[str, int]], show: Show, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin before the first stage."""
        self._stages, self._show, self._clock = list(stages), show, clock
        self._at, self._done, self._moved = -1, 0, 0
        self._begun = self._shown = clock()
        self._rates: dict[bool, float] = {}
        self._words = ""

    def enter(self, done: int = 0) -> None:
        """Begin the next stage, of which `done` bytes were done before a resume."""
        self._at, self._words = self._at + 1, ""
        self._done, self._moved, self._begun = done, 0, self._clock()
        self._tell()

    def skip(self) -> None:
        """Pass over the next stage: it was done before a resume."""
        self._at += 1

    def tick(self, moved: int) -> None:
        """Note that `moved` more bytes of this stage are done."""
        self._done += moved
        self._moved += moved
        spent = self._clock() - self._begun
        if spent >= _FIRST_WORD_AFTER:
            self._rates[self._reading(self._at)] = self._moved / spent
        if self._clock() - self._shown >= _EVERY or self._done >= self._stages[self._at][1]:
            self._tell()

    def share(self, done: float | None, words: str) -> None:
        """Note what the drive says of its own work: a share from 0 to 1, or None when it does not tell."""
        name, total = self._stages[self._at] if self._at >= 0 else ("made ready", 0)
        self._words = words
        if done is None or self._at < 0:
            self._shown = self._clock()
            self._show(Progress(name, 0, 0, 0.0, None, words))
            return
        self.tick(max(0, int(done * total) - self._done))

    def _reading(self, index: int) -> bool:
        return self._stages[index][0].startswith("read")

    def _tell(self) -> None:
        self._shown = self._clock()
        name, total = self._stages[self._at]
        spent = self._shown - self._begun
        rate = self._moved / spent if spent > 0 else 0.0
        self._show(Progress(name, self._done, total, rate, self._left(), self._words))

    def _left(self) -> float | None:
        seconds = 0.0
        for index in range(self._at, len(self._stages)):
            todo = self._stages[index][1] - (self._done if index == self._at else 0)
            rate = self._rates.get(self._reading(index)) or next(iter(self._rates.values()), 0.0)
            if rate <= 0:
                return None
            seconds += todo / rate
        return seconds
