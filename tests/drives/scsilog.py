"""The health of a SAS drive: log pages, self-test results, the grown defect list (SPC-4 7.3, SBC-3 6.4)."""

import struct
from collections.abc import Callable

from tests.drives import sense
from tests.drives.sense import Trouble

IN_PROGRESS, ABORTED_BY_COMMAND, FAILED_READ = 0xF, 1, 7
GROWN = 0x08  # READ DEFECT DATA: grown list wanted


class Health:
    """Counters and opinions, all settable. Times in seconds of the drive's clock."""

    def __init__(self, test_seconds: float) -> None:
        self.temperature, self.hours, self.failing = 33, 30_112, False
        self.read_uncorrected = self.write_uncorrected = self.verify_uncorrected = 0
        self.non_medium = 2
        self.gigabytes_read, self.gigabytes_written = 81_224, 40_112
        self.grown = 0
        self.next_test_fails_at: int | None = None
        self.runs: list[tuple[int, int, int, int]] = []  # kind, result, hours, failing sector
        self._test: tuple[int, float] | None = None
        self._test_seconds = test_seconds

    def self_test(self, code: int, now: float) -> None:
        """SEND DIAGNOSTIC: 1 and 2 background short and extended, 4 abort; 0 the default test."""
        self._settle(now)
        if code in {1, 2}:
            self._test = (code, now)
        elif code == 4 and self._test:
            self._note(ABORTED_BY_COMMAND, 0xFFFFFFFFFFFFFFFF)
        elif code not in {0, 4}:
            raise Trouble(sense.INVALID_FIELD)

    def power_cut(self, now: float) -> None:
        """A self-test does not survive."""
        self._settle(now)
        if self._test:
            self._note(2, 0xFFFFFFFFFFFFFFFF)

    def log_sense(self, cdb: bytes, now: float) -> bytes:
        """LOG SENSE: cumulative values of one page."""
        self._settle(now)
        pages: dict[int, Callable[[], bytes]] = {
            0x02: lambda: self._errors(self.write_uncorrected, self.gigabytes_written),
            0x03: lambda: self._errors(self.read_uncorrected, self.gigabytes_read),
            0x05: lambda: self._errors(self.verify_uncorrected, 0),
            0x06: lambda: _parameter(0, self.non_medium.to_bytes(4, "big")),
            0x0D: lambda: _parameter(0, bytes([0, self.temperature])) + _parameter(1, bytes([0, 65])),
            0x0E: lambda: _parameter(3, (50_000).to_bytes(4, "big")) + _parameter(4, (118).to_bytes(4, "big")),
            0x10: self._results,
            0x15: lambda: _parameter(0, struct.pack(">IBBHHH", self.hours * 60, 0, 0, 0, 0, 0)),
            0x2F: lambda: _parameter(0, bytes([0x5D if self.failing else 0, 0x10 if self.failing else 0,
                                               self.temperature, 0])),
        }  # fmt: skip
        page = cdb[2] & 0x3F
        if page == 0 and not cdb[3]:
            body = bytes([0, *sorted(pages)])
        elif page in pages and not cdb[3]:
            body = pages[page]()
        else:
            raise Trouble(sense.INVALID_FIELD)
        return (bytes([page, 0]) + struct.pack(">H", len(body)) + body)[: struct.unpack(">H", cdb[7:9])[0]]

    def defects(self, cdb: bytes) -> bytes:
        """READ DEFECT DATA (10) and (12): the grown list in physical sector format."""
        entries = self.grown if (cdb[2] if cdb[0] == 0x37 else cdb[1]) & GROWN else 0
        wanted = (cdb[2] if cdb[0] == 0x37 else cdb[1]) & 0x1F
        body = b"".join(struct.pack(">I", n << 8) + struct.pack(">I", n) for n in range(entries))
        if cdb[0] == 0x37:
            return (struct.pack(">BBH", 0, wanted, len(body)) + body)[: struct.unpack(">H", cdb[7:9])[0]]
        return (struct.pack(">BBHI", 0, wanted, 0, len(body)) + body)[: struct.unpack(">I", cdb[6:10])[0]]

    def _errors(self, uncorrected: int, gigabytes: int) -> bytes:
        """Return one of the three error counter pages: parameters 0 to 6."""
        values = (0, 0, 0, 0, 0, gigabytes * 10**9, uncorrected)
        return b"".join(_parameter(code, value.to_bytes(8, "big")) for code, value in enumerate(values))

    def _results(self) -> bytes:
        """Return the self-test results page: twenty entries of twenty bytes, the newest first."""
        runs = list(self.runs)
        if self._test:
            runs.insert(0, (self._test[0], IN_PROGRESS, 0, 0xFFFFFFFFFFFFFFFF))
        page = b""
        for n in range(20):
            kind, result, hours, sector = runs[n] if n < len(runs) else (0, 0, 0, 0)
            trouble = bytes([3, 0x11, 0, 0]) if result == FAILED_READ else bytes(4)
            body = struct.pack(">BBHQ", kind << 5 | result, 0, min(hours, 0xFFFF), sector) + trouble
            page += _parameter(n + 1, body)
        return page

    def _settle(self, now: float) -> None:
        if self._test and now >= self._test[1] + self._test_seconds:
            at = self.next_test_fails_at
            self._note(0 if at is None else FAILED_READ, 0xFFFFFFFFFFFFFFFF if at is None else at)

    def _note(self, result: int, sector: int) -> None:
        if self._test:
            self.runs.insert(0, (self._test[0], result, self.hours, sector))
        self._test = None


def _parameter(code: int, body: bytes) -> bytes:
    """Return one log parameter."""
    return struct.pack(">HBB", code, 0x03, len(body)) + body
