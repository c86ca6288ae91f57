"""The SANITIZE DEVICE feature set of an ATA drive (ACS-3, 4.17 and 7.36): states, status bits, refusals.

Status comes back in COUNT (bit 15 last one completed without error, 14 in progress, 13 frozen, 12 antifreeze) and
progress in LBA 15:0, which is FFFFh whenever nothing is in progress - also after a failure.
"""

from collections.abc import Callable

from tests.drives.erasure import Erasure
from tests.drives.lies import Lie, Lies
from tests.drives.sense import NeverAnswers
from tests.drives.taskfile import ABORT, Abort, Answer, Taskfile

STATUS, CRYPTO, BLOCK, OVERWRITE, FREEZE, ANTIFREEZE = 0x00, 0x11, 0x12, 0x14, 0x20, 0x40
KEYS = {CRYPTO: 0x43727970, BLOCK: 0x426B4572, FREEZE: 0x46724C6B, ANTIFREEZE: 0x416E7469}
OVERWRITE_KEY = 0x4F57  # LBA 47:32; the pattern is in 31:0
KIND = {CRYPTO: "crypto", BLOCK: "block", OVERWRITE: "overwrite"}
REASON_FAILED, REASON_UNSUPPORTED, REASON_FROZEN, REASON_ANTIFREEZE = 1, 2, 3, 4  # LBA 7:0 of an aborted command
COMPLETED, WORKING, FROZEN, NO_FREEZE = 0x8000, 0x4000, 0x2000, 0x1000
ALLOW_EXIT, CLEAR_FAILED, INVERT = 0x10, 0x01, 0x80  # COUNT bits


class Sanitize:
    """What the drive says about sanitizing, and the erasure it is busy with."""

    def __init__(self, lies: Lies, kinds: frozenset[str], start: Callable[[str, bytes], Erasure]) -> None:
        self.work: Erasure | None = None
        self.completed = False
        self.failed = False
        self.frozen = False
        self.antifreeze = False
        self.began = 0
        self.may_leave_failure = False
        self._lies, self._kinds, self._start = lies, kinds, start
        self.power_on()

    @property
    def busy(self) -> bool:
        """Tell whether data commands are refused because a sanitize works or has failed."""
        self.settle()
        return self.work is not None or self.failed

    def power_on(self) -> None:
        """Freeze and antifreeze are over; a sanitize goes on."""
        self.frozen, self.antifreeze = Lie.SANITIZE_FROZEN in self._lies, False
        if self.work:
            self.work.resume()

    def power_off(self) -> None:
        """Stop until power is back."""
        if self.work:
            self.work.pause()

    def settle(self) -> None:
        """Take note of a sanitize that has ended."""
        work = self.work  # the control socket's thread settles, too
        if not work:
            return
        work.advance()
        if work.ended and self.work is work:
            self.failed, self.completed = work.ended == "failed", work.ended == "good"
            self.work = None

    def command(self, task: Taskfile, *, locked: bool) -> Answer:
        """SANITIZE DEVICE (B4h) by its features field."""
        self.settle()
        if not self._kinds or locked:
            raise Abort
        if task.features == STATUS:
            return self._status(task)
        if task.features in KIND:
            return self._erase(task)
        if task.features in {FREEZE, ANTIFREEZE} and task.lba == KEYS[task.features]:
            return self._freeze(task.features)
        raise Abort(ABORT, REASON_UNSUPPORTED)

    def _status(self, task: Taskfile) -> Answer:
        if self.failed:
            if not (task.count & CLEAR_FAILED and self.may_leave_failure):
                raise Abort(ABORT, REASON_FAILED)
            self.failed = False
        bits = (COMPLETED if self.completed or Lie.ALWAYS_COMPLETED in self._lies else 0) | (
            (FROZEN if self.frozen else 0) | (NO_FREEZE if self.antifreeze else 0)
        )
        work = self.work
        if work:
            share = min(0xFFFE, int(work.share * 0x10000))
            return Answer(count=bits | WORKING, lba=share)
        return Answer(count=bits, lba=0xFFFF)

    def _erase(self, task: Taskfile) -> Answer:
        kind = KIND[task.features]
        if kind not in self._kinds or Lie.REFUSES_SANITIZE in self._lies:
            raise Abort(ABORT, REASON_UNSUPPORTED)
        if self.frozen:
            raise Abort(ABORT, REASON_FROZEN)
        if self.work:
            raise Abort(ABORT, 0)
        key_right = task.lba >> 32 == OVERWRITE_KEY if kind == "overwrite" else task.lba == KEYS[task.features]
        if not key_right:
            raise Abort(ABORT, REASON_UNSUPPORTED)
        if Lie.HANGS in self._lies:
            raise NeverAnswers
        self.began += 1
        if Lie.STATUS_UNCHANGED in self._lies or Lie.ALWAYS_COMPLETED in self._lies:
            return Answer(lba=0xFFFF)
        self.completed = self.failed = False
        self.may_leave_failure = bool(task.count & ALLOW_EXIT)
        pattern = (task.lba & 0xFFFFFFFF).to_bytes(4, "little") if kind == "overwrite" else b""
        passes = task.count & 0x0F or 16
        if kind == "overwrite" and task.count & INVERT and passes % 2 == 0:
            pattern = bytes(each ^ 0xFF for each in pattern)
        self.work = self._start(kind, pattern)
        return Answer(count=WORKING, lba=0)

    def _freeze(self, wanted: int) -> Answer:
        if self.work or self.failed:
            raise Abort(ABORT, 0)
        if wanted == FREEZE:
            if self.antifreeze:
                raise Abort(ABORT, REASON_ANTIFREEZE)
            self.frozen = True
        elif self.frozen:
            raise Abort(ABORT, REASON_FROZEN)
        else:
            self.antifreeze = True
        return Answer(count=(FROZEN if self.frozen else 0) | (NO_FREEZE if self.antifreeze else 0), lba=0xFFFF)
