"""The only way to a drive that may be written: `claim` takes it exclusively, or refuses with every reason.

What is ours is decided in `station.ours`. `claim` then opens block devices with `O_EXCL` (the kernel's own veto:
EBUSY while anything on the drive is mounted or swapped to; while we hold it, nothing on it can be mounted) and
practice drives under an exclusive `flock`; it reads identity and size again from the *open handle*, because the
name may belong to another drive by now, and asks once more what is ours. No engine takes anything but a
`Target`, and nothing but `claim` makes one.
"""

import errno
import fcntl
import os
import stat
import struct
from collections.abc import Collection
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from custody.errors import Reason
from station.errors import GuardRefused, TargetChanged, TargetShrunk, TargetVanished
from station.media import Medium, NotAMedium, medium_of, practice_drive
from station.ours import why_ours
from station.system import System

__all__ = ["Target", "claim", "why_ours"]

# <linux/fs.h>; the number holds the size of the answer, here that of 64-bit Linux.
BLKROGET, BLKSSZGET, BLKGETSIZE64, BLKGETDISKSEQ = 0x125E, 0x1268, 0x80081272, 0x80081280
_MAKER = object()  # known to `claim` alone


class Target:
    """A claimed drive, held exclusively until closed; use it as a context manager. Only `claim` makes one."""

    def __init__(self, maker: object, medium: Medium, fd: int) -> None:
        """Refuse everybody but `claim`. Raises `TypeError`."""
        if maker is not _MAKER:
            raise TypeError("a Target is made by station.guard.claim and by nothing else")
        self._medium, self._fd, self._closed = medium, fd, False

    @property
    def medium(self) -> Medium:
        """Return the medium as it was when claimed."""
        return self._medium

    @property
    def path(self) -> str:
        """Return the path it was claimed under."""
        return self._medium.path

    @property
    def fd(self) -> int:
        """Return the handle, open for reading and writing. Raises `RuntimeError` after `close`."""
        if self._closed:
            raise RuntimeError(f"{self.path} was let go of; claim it again")
        return self._fd

    @property
    def size(self) -> int:
        """Return the size in bytes when claimed, as the open handle gave it."""
        return self._medium.size

    @property
    def sector_size(self) -> int:
        """Return the logical sector size in bytes."""
        return self._medium.sector_size

    def open_again(self, flags: int) -> int:
        """Open the very same drive once more, say `os.O_RDONLY | os.O_DIRECT`; the caller closes it.

        Raises `TargetLost` when it is no longer the same drive, and `OSError` (EINVAL) when the flags do not
        suit it. Opening through the handle goes by device number, which a new drive may have inherited, so
        the new handle is checked as well.
        """
        self.still_same()
        again = os.open(f"/proc/self/fd/{self.fd}", flags | os.O_CLOEXEC)
        try:
            if _sequence(again) != _sequence(self.fd):
                raise TargetVanished(f"{self.path} is gone; another drive has taken its place")
            self.still_same()
        except BaseException:
            os.close(again)
            raise
        return again

    def still_same(self) -> Medium:
        """Read identity and size again and return what is there now.

        Raises `TargetVanished`, `TargetShrunk` or `TargetChanged`.
        """
        now = _look(self.fd, self._medium)
        if now.size < self.size:
            raise TargetShrunk(f"{self.path} has shrunk from {self.size} to {now.size} bytes; set it aside")
        if now.identity != self._medium.identity or now.sequence != self._medium.sequence:
            raise TargetChanged(f"{self.path} is now {now.name} of {now.size} bytes, not the drive that was claimed")
        return now

    def close(self) -> None:
        """Let go of the drive; a second call does nothing."""
        if not self._closed:
            self._closed = True
            os.close(self._fd)

    def __enter__(self) -> Self:
        """Return the target itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of the drive."""
        self.close()


def claim(
    medium: Medium,
    *,
    allow_loop: bool = False,
    protect: Collection[Path] = (),
    bays: Collection[str] = (),
) -> Target:
    """Take a drive exclusively.

    Raises `GuardRefused` with every reason when it is ours, in use, or not the medium that was looked at;
    `TargetVanished` when it is gone.
    """
    ours = partial(why_ours, medium.path, allow_loop=allow_loop, protect=protect, bays=bays)
    _refuse_if(_still_there(ours(), medium))
    fd = _open(medium)
    try:
        if medium.number:
            with suppress(OSError):  # asks udev to keep off (systemd's block device locking); O_EXCL is what counts
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            _lock(fd, medium.path)
        _refuse_if(_mismatch(fd, medium))
        _refuse_if(_still_there(ours(ask_kernel=False), medium))  # once more, now that nobody can come in between
    except BaseException:
        os.close(fd)
        raise
    return Target(_MAKER, medium, fd)


def _still_there(reasons: list[Reason], medium: Medium) -> list[Reason]:
    """Return the reasons; a drive that is gone is no matter of rules. Raises `TargetVanished`."""
    if any(reason.code == "not-there" for reason in reasons):
        raise TargetVanished(f"{medium.path} ({medium.name}) is gone")
    return reasons


def _refuse_if(reasons: list[Reason]) -> None:
    """Raise `GuardRefused` when there is any reason."""
    if reasons:
        raise GuardRefused(reasons)


def _open(medium: Medium) -> int:
    """Open the drive for writing, block devices exclusively."""
    flags = os.O_RDWR | os.O_CLOEXEC | (os.O_EXCL if medium.number else os.O_NOFOLLOW)
    try:
        return os.open(medium.path, flags)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENXIO, errno.ENODEV):
            raise TargetVanished(f"{medium.path} ({medium.name}) is gone") from error
        if error.errno == errno.EBUSY:
            text = f"the kernel says that {medium.path} is in use by something else"
            raise GuardRefused([Reason("in-use", text, medium.path)]) from error
        code = "read-only" if error.errno == errno.EROFS else "not-permitted"
        text = f"{medium.path} cannot be opened for writing ({error.strerror})"
        raise GuardRefused([Reason(code, text, medium.path)]) from error


def _mismatch(fd: int, medium: Medium) -> list[Reason]:
    """Compare the open handle with the medium that was looked at."""
    path = medium.path
    now = _look(fd, medium)
    reasons = []
    if now.identity != medium.identity or now.sequence != medium.sequence:
        text = f"{path} is now {now.name} of {now.size} bytes, not {medium.name} of {medium.size}; look at it again"
        reasons.append(Reason("changed", text, path))
    if now.sector_size != medium.sector_size:
        text = f"{path} has sectors of {now.sector_size} bytes now, not {medium.sector_size}; look at it again"
        reasons.append(Reason("changed", text, path))
    if now.read_only:
        reasons.append(Reason("read-only", f"{path} is read-only", path))
    return reasons


def _look(fd: int, medium: Medium) -> Medium:
    """Return what is behind the open handle now, sizes asked of the handle. Raises `TargetVanished`."""
    gone = f"{medium.path} ({medium.name}) is gone"
    try:
        status = os.fstat(fd)
        if not stat.S_ISBLK(status.st_mode):
            return _look_at_file(status, medium, gone)
        device = System().by_number(f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}")
        size, sector, read_only = _ask(fd, BLKGETSIZE64, "Q"), _ask(fd, BLKSSZGET, "i"), _ask(fd, BLKROGET, "i")
        sequence = _sequence(fd)
    except OSError as error:
        raise TargetVanished(f"{gone} ({error.strerror})") from error
    # A drive pulled out keeps its handle: its folder goes, or its capacity becomes 0 (NVMe), or another drive
    # inherits the number and has a later sequence number than our handle.
    if device is None or not size or (sequence and sequence != device.count("diskseq")):
        raise TargetVanished(gone)
    now = medium_of(device, System())
    return replace_facts(now, size=size, sector_size=sector, read_only=bool(read_only))


def replace_facts(medium: Medium, *, size: int, sector_size: int, read_only: bool) -> Medium:
    """Return the medium with what the open handle said in place of what sysfs said; sizes in bytes."""
    identity = medium.identity.to_json() | {"size": size}
    facts = {"identity": identity, "size": size, "sector_size": sector_size, "read_only": read_only}
    return Medium.from_json(medium.to_json() | facts)


def _look_at_file(status: os.stat_result, medium: Medium, gone: str) -> Medium:
    """Return the practice drive behind an open handle, if its name still leads to the same file."""
    try:
        named = os.stat(medium.path)
        now = practice_drive(Path(medium.path))
    except (OSError, NotAMedium) as error:
        raise TargetVanished(f"{gone} ({error})") from error
    if not status.st_nlink or (named.st_dev, named.st_ino) != (status.st_dev, status.st_ino):
        raise TargetVanished(f"{gone}; another file has its name")
    if not stat.S_ISREG(status.st_mode):
        raise TargetVanished(f"{gone}; it is no file any more")
    return replace_facts(now, size=status.st_size, sector_size=now.sector_size, read_only=now.read_only)


def _lock(fd: int, path: str) -> None:
    """Lock a practice drive, or refuse and say who holds it."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        status = os.fstat(fd)
        text = f"{path} is in use by {_lock_holder(status)}; wait until that is done"
        raise GuardRefused([Reason("locked", text, path)]) from error


def _lock_holder(status: os.stat_result) -> str:
    """Say which process locks a file (proc_locks(5): `1: FLOCK ADVISORY WRITE pid major:minor:inode 0 EOF`)."""
    mine = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    with suppress(OSError):
        for line in Path("/proc/locks").read_text("utf-8", "replace").splitlines():
            words = line.split()
            if mine in words and "FLOCK" in words and "->" not in words:
                pid = words[words.index(mine) - 1]
                with suppress(OSError):
                    name = Path(f"/proc/{pid}/comm").read_text("utf-8", "replace").strip()
                    return f"{name} (process {pid})"
                return f"process {pid}"
    return "another program"


def _ask(fd: int, request: int, code: str) -> int:
    """Ask a block device for one number."""
    answer = fcntl.ioctl(fd, request, bytes(struct.calcsize(code)))
    return int(struct.unpack(code, answer)[0])


def _sequence(fd: int) -> int:
    """Return the disk sequence number of an open handle; 0 for a file, and before Linux 5.15."""
    try:
        return _ask(fd, BLKGETDISKSEQ, "Q")
    except OSError:
        return 0
