"""What a namespace of the simulated drive is made of: an image file, a mapping, and a volatile write cache.

The image is the flash: `chip_off` reads it as a laboratory would, past the firmware. What was deallocated reads as
the drive's fill byte and may still lie in the image. Writes rest in the cache until it is flushed or overflows;
`lose_cache` is what a power cut does to them.
"""

import ctypes
import errno
import os
from collections.abc import Callable
from pathlib import Path

PIECE = 1 << 20
_KEEP_SIZE, _PUNCH_HOLE = 1, 2  # linux/falloc.h
Extent = tuple[int, int]
Filling = Callable[[int], bytes]


class Flash:
    """One image file of a fixed size; offsets and lengths are bytes."""

    def __init__(self, image: Path, cache: int = 0) -> None:
        """Open the image; `cache` is the size of the volatile cache in bytes, 0 for none."""
        self.image = image
        self.fd = os.open(image, os.O_RDWR | os.O_CLOEXEC)
        self.size = os.fstat(self.fd).st_size
        self.capacity = cache
        self.hidden: list[Extent] = []
        self.fill = 0x00
        self._cache: list[tuple[int, bytes]] = []
        self._cached = 0

    def close(self) -> None:
        """Let go of the image; what is still in the cache is lost."""
        os.close(self.fd)

    @property
    def allocated(self) -> int:
        """How many bytes hold something: what the image's file system keeps and the mapping still names."""
        held = min(self.size, os.fstat(self.fd).st_blocks * 512)
        return max(0, held - sum(end - begin for begin, end in self.hidden))

    def read(self, offset: int, length: int) -> bytes:
        """Return what the host is given."""
        data = os.pread(self.fd, length, offset)
        if not self.hidden and not self._cache:
            return data
        seen = bytearray(data)
        end = offset + length
        for begin, stop in self.hidden:
            if begin < end and stop > offset:
                low, high = max(begin, offset), min(stop, end)
                seen[low - offset : high - offset] = bytes([self.fill]) * (high - low)
        for begin, kept in self._cache:
            if begin < end and begin + len(kept) > offset:
                low, high = max(begin, offset), min(begin + len(kept), end)
                seen[low - offset : high - offset] = kept[low - begin : high - begin]
        return bytes(seen)

    def write(self, offset: int, data: bytes | memoryview, *, through: bool = False) -> None:
        """Take what the host sends; `through` (force unit access) does not stop at the cache."""
        if not self.capacity or (through and not self._cache):
            self._store(offset, data)
            return
        self._cache.append((offset, bytes(data)))
        self._cached += len(data)
        while self._cached > (0 if through else self.capacity):
            self._destage()

    def flush(self) -> None:
        """Empty the cache into the image, and the image into its file."""
        while self._cache:
            self._destage()
        os.fdatasync(self.fd)

    def lose_cache(self) -> None:
        """Forget what was never flushed."""
        self._cache.clear()
        self._cached = 0

    def chip_off(self, offset: int, length: int) -> bytes:
        """Return what lies in the flash whatever the firmware says."""
        return os.pread(self.fd, length, offset)

    def hide(self, begin: int, end: int) -> None:
        """Forget the mapping of a range: it reads as the fill byte; the flash keeps what it has."""
        self._drop_cached(begin, end)
        if begin < end:
            self.hidden = _joined(without(self.hidden, begin, end), begin, end)

    def show(self, begin: int, end: int) -> None:
        """Map a range again."""
        if self.hidden:
            self.hidden = without(self.hidden, begin, end)

    def erase(self, begin: int, end: int, filling: Filling | None = None) -> None:
        """Really erase a range: to zeros (a hole in the image), or to what `filling` gives for a length."""
        self._drop_cached(begin, end)
        self.show(begin, end)
        if filling is None and _punch(self.fd, begin, end - begin):
            return
        for at in range(begin, end, PIECE):
            length = min(PIECE, end - at)
            os.pwrite(self.fd, filling(length) if filling else bytes(length), at)

    def _store(self, offset: int, data: bytes | memoryview) -> None:
        self.show(offset, offset + len(data))
        os.pwrite(self.fd, data, offset)

    def _destage(self) -> None:
        offset, data = self._cache.pop(0)
        self._cached -= len(data)
        self._store(offset, data)

    def _drop_cached(self, begin: int, end: int) -> None:
        """Take a range out of the cache; entries that reach beyond it go to the image first."""
        if any(at < end and at + len(data) > begin for at, data in self._cache):
            while self._cache:
                self._destage()


def without(extents: list[Extent], begin: int, end: int) -> list[Extent]:
    """Return the extents less what lies between `begin` and `end`."""
    left = []
    for low, high in extents:
        left += [(a, b) for a, b in ((low, min(high, begin)), (max(low, end), high)) if a < b]
    return left


def _joined(extents: list[Extent], begin: int, end: int) -> list[Extent]:
    """Add a range that overlaps none of them, and melt neighbours together."""
    joined: list[Extent] = []
    for low, high in sorted([*extents, (begin, end)]):
        if joined and joined[-1][1] == low:
            joined[-1] = (joined[-1][0], high)
        else:
            joined.append((low, high))
    return joined


def _punch(fd: int, offset: int, length: int) -> bool:
    """Make a hole; tell whether the file system can."""
    if length <= 0:
        return True
    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.fallocate(fd, _KEEP_SIZE | _PUNCH_HOLE, ctypes.c_int64(offset), ctypes.c_int64(length))
    if done != 0 and ctypes.get_errno() not in {errno.EOPNOTSUPP, errno.ENOSYS}:
        raise OSError(ctypes.get_errno(), "the image cannot be erased")
    return bool(done == 0)
