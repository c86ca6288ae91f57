"""The sanitize operation of the simulated drive: its states, its clock and its log page 81h.

Rules from the NVM Express Base Specification 1.4, section 8.15 and figures 262, 333 and 334. Progress is a function
of the clock; a power cut stops it where it is and the next power-on goes on from there. What is erased is the
controller's business: `settle` tells it which part of the media has been done since it last asked.
"""

import struct
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from tests.drives.nvme_lies import Lie, Manner
from tests.drives.nvme_words import (
    BLOCK_ERASE,
    CRYPTO_ERASE,
    EXIT_FAILURE,
    FAILED,
    GLOBAL_DATA_ERASED,
    INVALID_FIELD,
    NEVER,
    OK,
    OVERWRITE,
    SANITIZE_FAILED,
    SANITIZE_IN_PROGRESS,
    SUCCEEDED,
    WORKING,
)

_CAPABILITY = {CRYPTO_ERASE: 1 << 0, BLOCK_ERASE: 1 << 1, OVERWRITE: 1 << 2}
_INHIBITED = 1 << 29
_NO_DEALLOC = 1 << 9


@dataclass
class Operation:
    """What the drive remembers of the last sanitize, through power cuts as well."""

    status: int = NEVER
    scdw10: int = 0
    pattern: int = 0
    done: float = 0.0  # the part that was done, 0 to 1, when the clock last stood still
    settled: float = 0.0  # the part whose erasure the controller has carried out
    erased: bool = False  # global data erased
    mode: str = ""  # "restricted" or "unrestricted" after a failure, else ""
    passes: int = 0  # completed passes of an overwrite


class Sanitizing:
    """The state machine. `fail_at` (0 to 1) makes the next operation fail there; None lets it succeed."""

    def __init__(
        self, sanicap: int, seconds: float, estimates: tuple[int, int, int], clock: Callable[[], float]
    ) -> None:
        self.sanicap, self.seconds, self.estimates, self._clock = sanicap, seconds, estimates, clock
        self.fail_at: float | None = None
        self.lies: set[Lie | Manner] = set()
        self.op = Operation()
        self._since = clock()
        self._on = True

    @property
    def working(self) -> bool:
        """Tell whether an operation is under way."""
        return self.op.status == WORKING

    @property
    def action(self) -> int:
        """The action of the last accepted command."""
        return self.op.scdw10 & 7

    def obstacle(self) -> int:
        """Return the status with which commands are refused now, or OK."""
        if self.working:
            return SANITIZE_IN_PROGRESS
        return SANITIZE_FAILED if self.op.mode else OK

    def start(self, cdw10: int, cdw11: int) -> int:
        """Accept or refuse a Sanitize command; return its status."""
        action, unrestricted = cdw10 & 7, bool(cdw10 & 1 << 3)
        if self.working:
            return SANITIZE_IN_PROGRESS
        if action == EXIT_FAILURE:
            if self.op.mode == "restricted":
                return SANITIZE_FAILED
            self.op.mode = ""
            return OK
        if not self.sanicap & _CAPABILITY.get(action, 0) or (cdw10 & _NO_DEALLOC and self.sanicap & _INHIBITED):
            return INVALID_FIELD
        if self.op.mode == "restricted" and unrestricted:
            return SANITIZE_FAILED
        if Lie.ALWAYS_COMPLETED in self.lies:
            self.pretend_earlier_success()
            return OK
        if Lie.STATUS_UNCHANGED in self.lies:
            return OK
        self.op = Operation(WORKING, cdw10 & 0x3FF, pattern=cdw11)
        self._since = self._clock()
        if Lie.FAILS_AT_65535 in self.lies:
            self._fail()
        return OK

    def pretend_earlier_success(self) -> None:
        """Tell of a sanitize that succeeded some time ago, as a drive with a history does."""
        if not self.working:
            self.op = Operation(SUCCEEDED, self.op.scdw10 or CRYPTO_ERASE)

    def settle(self) -> tuple[float, float]:
        """Bring the state up to the clock; return the part (from, to) of the media done since the last time."""
        before = self.op.settled
        if not self.working:
            return before, before
        now = self._fraction()
        stop = 1.0 if self.fail_at is None else self.fail_at
        self.op.settled = min(now, stop)
        if self.action == OVERWRITE:
            self.op.passes = int(min(now, stop) * self._passes())
        if now >= stop and stop < 1.0:
            self._fail()
        elif now >= 1.0:
            self.op.status, self.op.erased, self.op.done = SUCCEEDED, True, 1.0
        return before, self.op.settled

    def power_off(self) -> None:
        """Stop where it is."""
        if self._on:
            self.op.done, self._on = self._fraction(), False

    def power_on(self) -> None:
        """Go on from there."""
        if not self._on:
            self._since, self._on = self._clock(), True

    def written(self) -> None:
        """Somebody wrote to the drive: not all data is erased any more."""
        self.op.erased = False

    def log(self) -> bytes:
        """Return log page 81h, 512 bytes."""
        progress = min(0xFFFF, int(self._shown() * 65536)) if self.working else 0xFFFF
        status = self.op.status | self.op.passes << 3 | (GLOBAL_DATA_ERASED if self.op.erased else 0)
        unknown = 0xFFFFFFFF
        page = struct.pack("<HHI3I3I", progress, status, self.op.scdw10, *self.estimates, unknown, unknown, unknown)
        return page.ljust(512, b"\0")

    def to_json(self) -> dict[str, Any]:
        """Return what is kept through a power cut."""
        return asdict(self.op) | {"done": self._fraction()}

    def from_json(self, data: dict[str, Any]) -> None:
        """Take up what `to_json` kept, as if power had just returned."""
        self.op, self._since = Operation(**data), self._clock()

    def _passes(self) -> int:
        return self.op.scdw10 >> 4 & 0xF or 16

    def _fail(self) -> None:
        self.op.status = FAILED
        self.op.mode = "unrestricted" if self.op.scdw10 & 1 << 3 else "restricted"

    def _fraction(self) -> float:
        """How much is done, 0 to 1."""
        if not self.working or not self._on:
            return self.op.done
        seconds = 0.0 if Manner.INSTANT in self.lies else self.seconds
        gone = (self._clock() - self._since) / seconds if seconds > 0 else 1.0
        limit = 0.37 if Lie.PROGRESS_STUCK in self.lies else 1.0
        return min(limit, self.op.done + gone)

    def _shown(self) -> float:
        """How much the drive says is done."""
        fraction = self._fraction()
        if Manner.JUMPS in self.lies:
            return 0.01 if fraction < 0.5 else 0.9
        return fraction
