"""The log pages of the simulated drive besides 81h: errors, health, firmware slots, self-tests.

Layouts: NVM Express Base Specification 1.4, figures 193 to 197 and 199.
"""

import struct
from dataclasses import dataclass, field

from tests.drives import nvme_words as words
from tests.drives.nvme_words import Command


@dataclass
class Health:
    """What page 02h tells. Plain attributes: a test makes the drive as ill as it wants."""

    warning: int = 0  # bit 0 spare, 1 temperature, 2 reliability, 3 read only, 4 volatile backup
    kelvin: int = 308
    spare: int = 100  # percent
    used: int = 3  # percent
    read: int = 0  # bytes
    written: int = 0  # bytes
    reads: int = 0
    writes: int = 0
    power_cycles: int = 41
    power_on_hours: int = 1234
    unsafe_shutdowns: int = 7
    media_errors: int = 0
    errors: int = 0  # entries ever made in the error log

    def page(self, spare_threshold: int) -> bytes:
        """Return page 02h, 512 bytes; data units are thousands of 512 bytes, rounded up."""
        wide = [
            -(-self.read // 512_000), -(-self.written // 512_000), self.reads, self.writes, 0, self.power_cycles,
            self.power_on_hours, self.unsafe_shutdowns, self.media_errors, self.errors,
        ]  # fmt: skip
        head = struct.pack("<BHBBB26x", self.warning, self.kelvin, self.spare, spare_threshold, self.used)
        return (head + b"".join(each.to_bytes(16, "little") for each in wide)).ljust(512, b"\0")


@dataclass
class ErrorLog:
    """Page 01h: the newest errors first, 64 bytes each."""

    entries: list[bytes] = field(default_factory=list)

    def add(self, count: int, queue: int, cid: int, status: int, lba: int, nsid: int) -> None:
        """Remember one failed command; the status field of the page has the phase bit at its end."""
        entry = struct.pack("<QHHHHQI", count, queue, cid, status << 1 & 0xFFFF, 0xFFFF, lba, nsid)
        self.entries = [entry.ljust(64, b"\0"), *self.entries][:64]

    def page(self) -> bytes:
        """Return the page."""
        return b"".join(self.entries).ljust(64 * 64, b"\0")


def firmware(revision: str) -> bytes:
    """Return page 03h: one slot, active."""
    return (b"\x01".ljust(8, b"\0") + revision.encode().ljust(8)).ljust(512, b"\0")


@dataclass
class SelfTest:
    """Page 06h, and the test that is running. `outcome` is what the next tests will report: 0 passed, 7 failed."""

    seconds: float
    outcome: int = 0
    code: int = 0  # 1 short, 2 extended, 0 none running
    began: float = 0.0
    nsid: int = 0
    results: list[bytes] = field(default_factory=list)

    def start(self, command: Command, now: float, hours: int) -> int:
        """Start a short (1) or extended (2) test, or abort (Fh) the running one; return a status."""
        code = command.cdw10 & 0xF
        if code == 0xF:
            if self.code:
                self.end(1, hours)
            return words.OK
        if code not in {1, 2}:
            return words.INVALID_FIELD
        if self.code:
            return words.SELF_TEST_IN_PROGRESS
        self.code, self.began, self.nsid = code, now, command.nsid
        return words.OK

    def settle(self, now: float, hours: int) -> None:
        """End the test if its time is up."""
        if self.code and now - self.began >= self._lasts():
            self.end(self.outcome, hours)

    def end(self, outcome: int, hours: int) -> None:
        """End the running test: 0 passed, 1 aborted by command, 2 by a reset, 7 a segment failed."""
        entry = struct.pack(
            "<BBBBQIQBBH", outcome | self.code << 4, 3 if outcome == 7 else 0, 0, 0, hours, self.nsid, 0, 0, 0, 0
        )
        self.results, self.code = [entry, *self.results][:20], 0

    def page(self, now: float) -> bytes:
        """Return page 06h, 564 bytes; unused entries have the result Fh."""
        percent = min(99, int(100 * (now - self.began) / self._lasts())) if self.code else 0
        unused = b"\x0f".ljust(28, b"\0")
        return bytes([self.code, percent, 0, 0]) + b"".join([*self.results, *[unused] * (20 - len(self.results))])

    def _lasts(self) -> float:
        return max(self.seconds * (10 if self.code == 2 else 1), 1e-9)
