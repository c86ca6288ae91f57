"""What acting needs from outside, in one record, so that a test can be the outside."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from station.follow import Follow, follow
from station.run import Run
from station.wipe.progress import Show, silent


@dataclass(frozen=True)
class Means:
    """What acting needs from outside: randomness, clocks, a way to start programs and the reader, where progress goes.

    `clock` and `sleep` in seconds; `run` starts programs and keeps its transcript, which becomes evidence.
    """

    entropy: Callable[[int], bytes]
    clock: Callable[[], float] = time.monotonic
    follow: Follow = follow
    show: Show = silent
    run: Run = field(default_factory=Run)
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
