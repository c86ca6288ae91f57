"""Time as a drive feels it: simulated for tests in one process, real behind the kernel."""

import time
from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """What a drive needs of time, in seconds."""

    def now(self) -> float:
        """Return the seconds since some fixed moment."""
        ...

    def wait(self, seconds: float, stop: Callable[[], bool]) -> None:
        """Let `seconds` pass, or fewer when `stop` becomes true meanwhile."""
        ...


class SimulatedClock:
    """Time that passes only when told to, with things that happen at their moment."""

    def __init__(self) -> None:
        self._now = 0.0
        self._coming: list[tuple[float, Callable[[], None]]] = []

    def now(self) -> float:
        """Return the seconds that were told to pass."""
        return self._now

    def at(self, moment: float, event: Callable[[], None]) -> None:
        """Let `event` happen when the clock reaches `moment`, also in the middle of a blocking command."""
        self._coming.append((moment, event))
        self._coming.sort(key=lambda entry: entry[0])

    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        self.wait(seconds, lambda: False)

    def wait(self, seconds: float, stop: Callable[[], bool]) -> None:
        """Let time pass until `stop` is true; what is due on the way happens in order."""
        end = self._now + seconds
        while not stop() and self._coming and self._coming[0][0] <= end:
            moment, event = self._coming.pop(0)
            self._now = max(self._now, moment)
            event()
        if not stop():
            self._now = end


class RealClock:
    """The machine's monotonic clock; `speed` 10 makes a drive ten times as fast."""

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed

    def now(self) -> float:
        """Return monotonic seconds times speed."""
        return time.monotonic() * self._speed

    def wait(self, seconds: float, stop: Callable[[], bool]) -> None:
        """Sleep in steps of 20 ms so that a power cut is felt at once."""
        end = self.now() + seconds
        while not stop() and self.now() < end:
            time.sleep(0.02)
