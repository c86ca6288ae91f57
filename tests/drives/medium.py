"""What a drive's chips or platters really hold: an image file, beside what the drive would have you believe.

The file is the truth that a laboratory would find ("chip-off"). What a host reads may differ: deallocated sectors
read as zeros while the file still has their content, as after a TRIM on a real SSD. Writes go to the file at once and
are remembered until they are flushed; a power cut takes the unflushed ones back, newest first.
"""

import ctypes
import os
import random
import shutil
from bisect import bisect_left
from collections import deque
from pathlib import Path

from tests.drives.lies import Lie, Lies

CHUNK = 1 << 20
BLOCK = 4096
_PUNCH_HOLE_KEEP_SIZE = 3  # FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, linux/falloc.h


class BadSector(Exception):
    """A sector cannot be read."""

    def __init__(self, lba: int) -> None:
        super().__init__(f"sector {lba} cannot be read")
        self.lba = lba


class Ranges:
    """Disjoint ranges of sectors."""

    def __init__(self) -> None:
        self._ends: list[int] = []
        self._starts: list[int] = []

    def __bool__(self) -> bool:
        return bool(self._ends)

    def add(self, first: int, end: int) -> None:
        """Take in `first` up to, without, `end`."""
        if end <= first:
            return
        at = bisect_left(self._ends, first)
        last = at
        while last < len(self._ends) and self._starts[last] <= end:
            first, end = min(first, self._starts[last]), max(end, self._ends[last])
            last += 1
        self._starts[at:last], self._ends[at:last] = [first], [end]

    def remove(self, first: int, end: int) -> None:
        """Give out `first` up to, without, `end`."""
        for start, stop in self.within(first, end):
            at = bisect_left(self._ends, stop)
            whole = self._starts[at], self._ends[at]
            del self._starts[at], self._ends[at]
            self.add(whole[0], start)
            self.add(stop, whole[1])

    def within(self, first: int, end: int) -> list[tuple[int, int]]:
        """Return the parts that lie between `first` and `end`."""
        at = bisect_left(self._ends, first + 1)
        found = []
        while at < len(self._ends) and self._starts[at] < end:
            found.append((max(first, self._starts[at]), min(end, self._ends[at])))
            at += 1
        return found


class Medium:
    """The image file of one drive. All positions are in sectors."""

    def __init__(self, path: Path, sectors: int, lies: Lies, *, sector_size: int = 512, cache: int = 16 << 20) -> None:
        """Open the image, made and extended with zeros as needed; `cache` is the volatile cache in bytes, or 0."""
        self.path, self.sectors, self.sector_size, self.lies = path, sectors, sector_size, lies
        self.cache = cache
        self.bad: set[int] = set()
        self.last_written = 0
        self._deallocated = Ranges()
        self._unflushed: deque[tuple[int, bytes]] = deque()
        self._unflushed_bytes = 0
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        if os.fstat(self._fd).st_size < sectors * sector_size:
            os.ftruncate(self._fd, sectors * sector_size)
        self._libc = ctypes.CDLL(None, use_errno=True)
        if Lie.OLD_CONTENT in lies:
            self.remember()

    def close(self) -> None:
        """Let go of the image."""
        os.close(self._fd)

    def read(self, lba: int, count: int) -> bytes:
        """Return what a host reads; raises `BadSector`."""
        if self.bad:
            worst = min((each for each in self.bad if lba <= each < lba + count), default=None)
            if worst is not None:
                raise BadSector(worst)
        data = os.pread(self._fd, count * self.sector_size, lba * self.sector_size)
        if not self._deallocated:
            return data
        seen = bytearray(data)
        for first, end in self._deallocated.within(lba, lba + count):
            at, to = (first - lba) * self.sector_size, (end - lba) * self.sector_size
            seen[at:to] = bytes(to - at)
        return bytes(seen)

    def write(self, lba: int, data: bytes) -> None:
        """Store data; kept over a power cut only once flushed."""
        count = len(data) // self.sector_size
        if not count:
            return
        self.last_written = lba
        if Lie.DROPS_WRITES in self.lies:
            return
        if self.cache:
            self._remember_old(lba * self.sector_size, len(data))
        if self._deallocated:
            self._settle_ragged(lba, lba + count)
        os.pwrite(self._fd, data, lba * self.sector_size)
        if self.bad:
            self.bad.difference_update(range(lba, lba + count))

    def trim(self, lba: int, count: int) -> None:
        """Forget sectors: they read as zeros from now on, while the chips keep their content."""
        self._deallocated.add(lba, lba + count)

    def flush(self) -> None:
        """Make every write so far durable."""
        self._unflushed.clear()
        self._unflushed_bytes = 0

    def fill(self, first: int, end: int, pattern: bytes | None) -> None:
        """Really replace content by a repeated pattern (None: by what looks random), durably."""
        self.flush()
        self._deallocated.remove(first, end)
        self.bad = {each for each in self.bad if not first <= each < end}
        start, stop = first * self.sector_size, end * self.sector_size
        if pattern is not None and not any(pattern) and self._punch(start, stop - start):
            return
        for at in range(start, stop, CHUNK):
            size = min(CHUNK, stop - at)
            if pattern is None:
                data = random.Random(at).randbytes(size)
            else:
                data = (pattern * (size // len(pattern) + 2))[at % len(pattern) :][:size]
            os.pwrite(self._fd, data, at)

    def cut_power(self) -> None:
        """Lose what was not flushed; with the lie `old-content`, everything since it began."""
        while self._unflushed:
            offset, old = self._unflushed.pop()
            os.pwrite(self._fd, old, offset)
        self._unflushed_bytes = 0
        if Lie.OLD_CONTENT in self.lies and self._old.exists():
            shutil.copyfile(self._old, self.path)

    def remember(self) -> None:
        """Keep a copy of the content of now, to come back to."""
        shutil.copyfile(self.path, self._old)

    def chip_off(self) -> bytes:
        """Return the true content, whole; for small images."""
        return self.path.read_bytes()

    @property
    def _old(self) -> Path:
        return self.path.with_name(self.path.name + ".old")

    def _remember_old(self, offset: int, length: int) -> None:
        """Note what a write replaces; the oldest notes fall out as the drive writes back on its own."""
        self._unflushed.append((offset, os.pread(self._fd, length, offset)))
        self._unflushed_bytes += length
        while self._unflushed_bytes > self.cache:
            self._unflushed_bytes -= len(self._unflushed.popleft()[1])

    def _settle_ragged(self, first: int, end: int) -> None:
        """A written sector is allocated again."""
        self._deallocated.remove(first, end)

    def _punch(self, offset: int, length: int) -> bool:
        """Turn a part into a hole, which reads as zeros; False where the file system cannot."""
        if length <= 0:
            return True
        fallocate = self._libc.fallocate
        fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
        return bool(fallocate(self._fd, _PUNCH_HOLE_KEEP_SIZE, offset, length) == 0)
