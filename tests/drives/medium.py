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
from collections.abc import Callable
from pathlib import Path

from tests.drives.lies import Lie, Lies
from tests.drives.sense import NeverAnswers

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

    def copy(self) -> "Ranges":
        """Return the same ranges, to be kept."""
        twin = Ranges()
        twin._starts, twin._ends = list(self._starts), list(self._ends)
        return twin

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
        self.half_written: Callable[[], None] = lambda: None
        self._arrived = 0
        self._stuck: set[int] = set()
        self._deallocated, self._old_deallocated = Ranges(), Ranges()
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

    def lies_changed(self) -> None:
        """Count anew what arrives: a lie was taken up or given up."""
        self._arrived = 0
        self._stuck.clear()
        if Lie.OLD_CONTENT in self.lies:
            self.remember()

    def arriving(self, size: int) -> None:
        """Take note of bytes to be written: past half a drive's worth it may hang or shrink, in an overwrite, too."""
        self._arrived += size
        if self._arrived > self.sectors * self.sector_size // 2:
            if Lie.HANGS in self.lies:
                raise NeverAnswers
            self.half_written()

    def write(self, lba: int, data: bytes) -> None:
        """Store data; kept over a power cut only once flushed."""
        count = len(data) // self.sector_size
        if count and Lie.DROPS_WRITES not in self.lies:
            for first, end in self._changeable(lba, lba + count):
                self._store(first, data[(first - lba) * self.sector_size : (end - lba) * self.sector_size])
        if 0 < len(data) <= BLOCK:
            self.last_written = lba

    def _store(self, lba: int, data: bytes) -> None:
        count = len(data) // self.sector_size
        if self.cache:
            self._remember_old(lba * self.sector_size, len(data))
        if self._deallocated:
            self._deallocated.remove(lba, lba + count)
        os.pwrite(self._fd, data, lba * self.sector_size)
        if self.bad:
            self.bad.difference_update(range(lba, lba + count))

    def trim(self, lba: int, count: int) -> None:
        """Forget sectors: they read as zeros from now on, while the chips keep their content."""
        if Lie.DROPS_WRITES not in self.lies:
            self._deallocated.add(lba, lba + count)

    def forget(self, first: int, end: int) -> None:
        """Let sectors read as zeros whatever is told about writes: the lie `zeros-without-erasing`."""
        self._deallocated.add(first, end)

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
            self._deallocated = self._old_deallocated.copy()

    def remember(self) -> None:
        """Keep a copy of the content of now, to come back to."""
        shutil.copyfile(self.path, self._old)
        self._old_deallocated = self._deallocated.copy()

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

    def _changeable(self, first: int, end: int) -> list[tuple[int, int]]:
        """Return what a write may really change: kept blocks take their first write, or small ones, and no other."""
        if Lie.KEEPS_LAST_PERCENT not in self.lies and Lie.KEEPS_ONE_BLOCK not in self.lies:
            return [(first, end)]
        per_block, open_to = BLOCK // self.sector_size, Ranges()
        open_to.add(first, end)
        for low, high in self._kept(per_block, small=end - first <= per_block):
            for block in range(max(low, first // per_block * per_block), min(high, end), per_block):
                if block in self._stuck:
                    open_to.remove(block, block + per_block)
                self._stuck.add(block)
        return open_to.within(first, end)

    def _kept(self, per_block: int, *, small: bool) -> list[tuple[int, int]]:
        """Return the sectors that the lies keep from being overwritten."""
        kept = []
        if Lie.KEEPS_LAST_PERCENT in self.lies:
            part = self.sectors * self.lies.number(Lie.KEEPS_LAST_PERCENT, 1) // 100
            kept.append(((self.sectors - part) // per_block * per_block, self.sectors))
        if Lie.KEEPS_ONE_BLOCK in self.lies:
            chosen = bool(self.lies.told[Lie.KEEPS_ONE_BLOCK])
            block = self.lies.number(Lie.KEEPS_ONE_BLOCK, self.last_written) // per_block * per_block
            if chosen or not small:
                self._stuck.update([] if chosen else [block])
                kept.append((block, block + per_block))
        return kept

    def _punch(self, offset: int, length: int) -> bool:
        """Turn a part into a hole, which reads as zeros; False where the file system cannot."""
        if length <= 0:
            return True
        fallocate = self._libc.fallocate
        fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
        return bool(fallocate(self._fd, _PUNCH_HOLE_KEEP_SIZE, offset, length) == 0)
