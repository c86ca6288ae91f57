"""Read and write one open drive in large aligned pieces, and never mistake a drive's fault for its end.

The five error numbers of a failing drive (a pulled NVMe drive answers "no space left": its capacity became
zero) and their rarer kin are *faults*: the range is narrowed down to sectors and mapped. Everything that
means "this is not the drive any more" (gone, shrunk, grown, read-only) is a `DriveStopped`.
"""

import contextlib
import errno
import fcntl
import mmap
import os
import stat
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from custody.claims import BadRange
from station.errors import StationError

CHUNK = 4 * 1024 * 1024
FAULTS = frozenset(
    {
        errno.EIO,  # 5: medium or transport error
        errno.ENODEV,  # 19: USB drive pulled
        errno.ENOSPC,  # 28: NVMe pulled (capacity 0), thin pool full
        errno.ENODATA,  # 61: unrecovered read error
        errno.EREMOTEIO,  # 121: target failure
        errno.ENXIO,
        errno.ETIMEDOUT,
        errno.EILSEQ,
        errno.ENOLINK,
        errno.EBADE,
    }
)
_BLKGETSIZE64 = 0x80081272  # linux/fs.h: _IOR(0x12, 114, size_t)
_NARROW_SECONDS = 60.0


class DriveStopped(StationError):
    """The drive went away, changed its size or cannot be written at all: nothing more can be known of it."""


def buffer(length: int) -> memoryview:
    """Return `length` page-aligned writable bytes, in huge pages where the kernel gives them."""
    memory = mmap.mmap(-1, length, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with contextlib.suppress(OSError):
        memory.madvise(mmap.MADV_HUGEPAGE)
    return memoryview(memory)


def merge(ranges: Iterable[BadRange]) -> tuple[BadRange, ...]:
    """Sort the ranges and join those that touch or overlap."""
    joined: list[BadRange] = []
    for bad in sorted(ranges, key=lambda each: (each.start, each.length)):
        if bad.length <= 0:
            continue
        if joined and bad.start <= joined[-1].start + joined[-1].length:
            end = max(joined[-1].start + joined[-1].length, bad.start + bad.length)
            joined[-1] = BadRange(joined[-1].start, end - joined[-1].start)
        else:
            joined.append(bad)
    return tuple(joined)


def total(ranges: Iterable[BadRange]) -> int:
    """Return how many bytes the ranges cover, each counted once."""
    return sum(bad.length for bad in merge(ranges))


def before(ranges: Iterable[BadRange], end: int) -> tuple[BadRange, ...]:
    """Return what of the ranges lies below byte `end`: what a resume may still believe."""
    cut = (BadRange(bad.start, min(bad.length, end - bad.start)) for bad in ranges if bad.start < end)
    return merge(cut)


def size_of(fd: int) -> int:
    """Return the present size in bytes of an open file or block device; 0 when the device is gone."""
    status = os.fstat(fd)
    if not stat.S_ISBLK(status.st_mode):
        return status.st_size
    try:
        return int(struct.unpack("Q", fcntl.ioctl(fd, _BLKGETSIZE64, bytes(8)))[0])
    except OSError:
        return 0


@dataclass
class Raw:
    """One open drive: `fd`, the size in bytes it had when it was claimed, and its sector size in bytes.

    `direct` tells whether the page cache is bypassed; where the file system refuses that, it is False.
    """

    fd: int
    size: int
    sector: int
    direct: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        """Ask for direct I/O; a refusal is remembered, not hidden."""
        self.direct = self._ask_direct(True)

    def _ask_direct(self, wanted: bool) -> bool:
        flags = fcntl.fcntl(self.fd, fcntl.F_GETFL)
        flags = flags | os.O_DIRECT if wanted else flags & ~os.O_DIRECT
        try:
            fcntl.fcntl(self.fd, fcntl.F_SETFL, flags)
        except OSError:
            return False
        return wanted

    def check_there(self) -> None:
        """Raise DriveStopped unless the drive still has the size it was claimed with."""
        now = size_of(self.fd)
        if now == self.size:
            return
        if now == 0:
            raise DriveStopped("the drive is gone: it no longer reports a size")
        raise DriveStopped(f"the drive changed its size from {self.size} to {now} bytes")

    def _move(self, act: Callable[[memoryview, int], int], view: memoryview, offset: int) -> None:
        done = 0
        while done < len(view):
            moved = self._once(act, view[done:], offset + done)
            if moved == 0:
                raise OSError(errno.ENOSPC, "the drive ended early")
            done += moved

    def _once(self, act: Callable[[memoryview, int], int], view: memoryview, offset: int) -> int:
        try:
            return act(view, offset)
        except OSError as error:
            if error.errno != errno.EINVAL or not self.direct:
                raise
        self._ask_direct(False)  # refused here: an odd tail, or a file system without direct I/O
        moved = act(view, offset)
        odd = len(view) % 4096 or offset % 4096
        self.direct = self._ask_direct(True) if odd else False
        return moved

    def write(self, offset: int, view: memoryview) -> None:
        """Write all of `view` at byte `offset`; raises OSError."""
        self._move(lambda piece, at: os.pwrite(self.fd, piece, at), view, offset)

    def read(self, offset: int, length: int) -> bytes:
        """Return `length` bytes from byte `offset`, from the drive and not from the cache; raises OSError."""
        if not self.direct:
            self.forget(offset, length)
        into = buffer(max(length, mmap.PAGESIZE))[:length]
        self._move(lambda piece, at: os.preadv(self.fd, [piece], at), into, offset)
        return bytes(into)

    def forget(self, offset: int, length: int) -> None:
        """Drop clean cached pages of the range, so that the next read comes from the drive."""
        with contextlib.suppress(OSError):
            os.posix_fadvise(self.fd, offset, length, os.POSIX_FADV_DONTNEED)

    def flush(self) -> None:
        """Return only when the drive says that everything written so far is on the medium; raises OSError."""
        os.fdatasync(self.fd)


def _pieces(offset: int, view: memoryview, sector: int) -> Iterator[tuple[int, memoryview]]:
    middle = max(sector, len(view) // 2 // sector * sector)
    yield offset, view[:middle]
    yield offset + middle, view[middle:]


def write_narrowing(
    raw: Raw, offset: int, view: memoryview, clock: Callable[[], float] = time.monotonic
) -> tuple[BadRange, ...]:
    """Write all of `view`, sector by sector where it must be, and return the ranges that could not be written.

    After a minute of narrowing the rest of a failing piece counts as bad whole (never the other way round).
    Raises DriveStopped when the drive is gone, changed its size, or refuses writing for another reason.
    """
    bad: list[BadRange] = []
    waiting = [(offset, view)]
    deadline: float | None = None
    while waiting:
        at, piece = waiting.pop()
        try:
            raw.write(at, piece)
            continue
        except OSError as error:
            if error.errno not in FAULTS:
                raise DriveStopped(f"the drive cannot be written: {error.strerror}") from error
            if error.errno == errno.ENODEV:
                raise DriveStopped("the drive is gone: it was pulled out or switched off") from error
        raw.check_there()
        deadline = clock() + _NARROW_SECONDS if deadline is None else deadline
        if len(piece) <= raw.sector or clock() > deadline:
            bad.append(BadRange(at, len(piece)))
        else:
            waiting.extend(reversed(list(_pieces(at, piece, raw.sector))))
    return merge(bad)
