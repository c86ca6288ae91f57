"""SMART of an ATA drive: attributes, thresholds, self-tests and their log (ATA8-ACS 7.52, SFF-8035i)."""

import struct
from dataclasses import dataclass

from tests.drives.taskfile import Abort, Answer, Taskfile

SIGNATURE, FAILING = 0xC24F00, 0x2CF400  # LBA 23:8 of a SMART command, and of a failing RETURN STATUS
SHORT, EXTENDED, STOP = 1, 2, 127
IN_PROGRESS, READ_FAILURE, ABORTED = 15, 7, 1


@dataclass
class Attribute:
    """One SMART attribute; it fails when `value` is at or below `threshold`."""

    number: int
    flags: int
    value: int
    worst: int
    threshold: int
    raw: int


@dataclass(frozen=True)
class TestRun:
    """One entry of the self-test log."""

    __test__ = False
    kind: int
    result: int
    hours: int
    failed_at: int = 0xFFFFFFFF


def usual_attributes() -> list[Attribute]:
    """Return the attributes of a healthy drive that has been used a little."""
    return [
        Attribute(5, 0x0033, 100, 100, 10, 0),  # reallocated sectors, pre-fail
        Attribute(9, 0x0032, 99, 99, 0, 4210),  # power-on hours
        Attribute(12, 0x0032, 99, 99, 0, 812),  # power cycles
        Attribute(187, 0x0032, 100, 100, 0, 0),  # reported uncorrectable
        Attribute(194, 0x0022, 69, 60, 0, 31),  # temperature
        Attribute(197, 0x0012, 100, 100, 0, 0),  # pending sectors
        Attribute(198, 0x0010, 100, 100, 0, 0),  # offline uncorrectable
        Attribute(199, 0x003E, 200, 200, 0, 0),  # interface CRC errors
    ]


class Smart:
    """The drive's opinion of its health. Times in seconds of the drive's clock."""

    def __init__(self, test_seconds: float) -> None:
        self.enabled = True
        self.attributes = usual_attributes()
        self.runs: list[TestRun] = []
        self.next_test_fails_at: int | None = None
        self._test_seconds = test_seconds
        self._test: tuple[int, float] | None = None
        self._now = 0.0

    def attribute(self, number: int) -> Attribute:
        """Return one attribute; raises `KeyError` naming a number the drive does not have."""
        for each in self.attributes:
            if each.number == number:
                return each
        raise KeyError(f"the drive has no attribute {number}")

    @property
    def failing(self) -> bool:
        """Tell whether a pre-fail attribute is at or below its threshold now."""
        return any(each.flags & 1 and each.value <= each.threshold for each in self.attributes)

    def command(self, task: Taskfile, now: float) -> Answer:
        """SMART (B0h) by its features field."""
        if task.lba & 0xFFFF00 != SIGNATURE:
            raise Abort
        wanted = task.features & 0xFF
        if wanted == 0xD8:
            self.enabled = True
            return Answer(lba=SIGNATURE)
        if not self.enabled:
            raise Abort
        if wanted == 0xD9:
            self.enabled = False
            return Answer(lba=SIGNATURE)
        if wanted in {0xD2, 0xDB}:
            return Answer(lba=SIGNATURE)
        if wanted == 0xDA:
            return Answer(lba=FAILING if self.failing else SIGNATURE)
        if wanted == 0xD4:
            return self._offline(task.lba & 0xFF, now)
        self.settle(now)
        if wanted == 0xD0:
            return Answer(data=self._values(), lba=SIGNATURE)
        if wanted == 0xD1:
            return Answer(data=self._thresholds(), lba=SIGNATURE)
        if wanted == 0xD5:
            return Answer(data=self._log(task.lba & 0xFF), lba=SIGNATURE)
        raise Abort

    def extended_log(self, address: int, page: int, count: int, now: float) -> bytes:
        """READ LOG (DMA) EXT: the directory, an empty error log, the extended self-test log."""
        self.settle(now)
        if address == 0x00:
            directory = [1] + [0] * 255
            for each in (0x01, 0x03, 0x06, 0x07, 0x30):
                directory[each] = 1
            return struct.pack("<256H", *directory)
        if address in {0x03, 0x07} and page == 0:
            body = bytearray(512 * count)
            body[0] = 1
            if address == 0x07:
                self._extended_runs(body)
            body[511] = -sum(body[:511]) & 0xFF
            return bytes(body)
        raise Abort

    def settle(self, now: float) -> None:
        """Finish a self-test whose time has come."""
        self._now = now
        if self._test and now >= self._test[1] + self._test_seconds:
            failed = self.next_test_fails_at
            result = 0 if failed is None else READ_FAILURE
            self._note(self._test[0], result, 0xFFFFFFFF if failed is None else failed)

    def power_cut(self) -> None:
        """A self-test does not survive."""
        if self._test:
            self._note(self._test[0], 2, 0xFFFFFFFF)
        self.attribute(12).raw += 1

    def _offline(self, test: int, now: float) -> Answer:
        """EXECUTE OFF-LINE IMMEDIATE."""
        self.settle(now)
        if test & 0x7F == STOP:
            if self._test:
                self._note(self._test[0], ABORTED, 0xFFFFFFFF)
        elif test in {0, 4}:
            pass
        elif test in {SHORT, EXTENDED}:
            self._test = (test, now)
        else:
            raise Abort
        return Answer(lba=SIGNATURE)

    def _note(self, kind: int, result: int, failed_at: int) -> None:
        self.runs.insert(0, TestRun(kind, result, self.attribute(9).raw & 0xFFFF, failed_at))
        del self.runs[21:]
        self._test = None

    def _status(self) -> int:
        """Return the self-test execution status byte: result, and tenths left while one runs."""
        if self._test:
            left = 1 - (self._now - self._test[1]) / self._test_seconds
            return IN_PROGRESS << 4 | max(0, min(9, int(left * 10)))
        return (self.runs[0].result if self.runs else 0) << 4

    def _values(self) -> bytes:
        body = bytearray(512)
        struct.pack_into("<H", body, 0, 0x0010)
        for n, each in enumerate(self.attributes):
            struct.pack_into("<BHBB", body, 2 + 12 * n, each.number, each.flags, each.value, each.worst)
            body[7 + 12 * n : 13 + 12 * n] = each.raw.to_bytes(6, "little")
        body[362], body[363] = 0x82, self._status()
        struct.pack_into("<H", body, 364, 120)
        body[367], body[370], body[372], body[373] = 0x1B, 0x01, 1, 10
        struct.pack_into("<H", body, 368, 0x0003)
        body[511] = -sum(body) & 0xFF
        return bytes(body)

    def _thresholds(self) -> bytes:
        body = bytearray(512)
        struct.pack_into("<H", body, 0, 0x0010)
        for n, each in enumerate(self.attributes):
            body[2 + 12 * n], body[3 + 12 * n] = each.number, each.threshold
        body[511] = -sum(body) & 0xFF
        return bytes(body)

    def _log(self, address: int) -> bytes:
        """SMART READ LOG: directory, summary error log, self-test log."""
        body = bytearray(512)
        struct.pack_into("<H", body, 0, 1)
        if address == 0x00:
            body[2 * 0x01] = body[2 * 0x06] = 1
            return bytes(body)
        if address == 0x06:
            for n, run in enumerate(reversed(self.runs)):
                at = 2 + 24 * n
                struct.pack_into("<BBHBI", body, at, run.kind, run.result << 4, run.hours, 0, run.failed_at)
            body[508] = len(self.runs)
        elif address == 0x01:
            body[0], body[1] = 1, 0
        else:
            raise Abort
        body[511] = -sum(body) & 0xFF
        return bytes(body)

    def _extended_runs(self, body: bytearray) -> None:
        """Write up to 19 runs into the extended self-test log's first page."""
        runs = self.runs[:19]
        for n, run in enumerate(reversed(runs)):
            at = 4 + 26 * n
            struct.pack_into("<BBHB", body, at, run.kind, run.result << 4, run.hours, 0)
            body[at + 5 : at + 11] = (run.failed_at if run.failed_at != 0xFFFFFFFF else 2**48 - 1).to_bytes(6, "little")
        struct.pack_into("<H", body, 2, len(runs))
