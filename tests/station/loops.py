"""Loop devices for tests: real block devices over files, attached and let go of again."""

import os
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


def losetup(*words: str) -> str:
    """Run losetup; raises `CalledProcessError` when it fails."""
    done = subprocess.run(["losetup", *words], check=True, capture_output=True, text=True, timeout=30)
    return done.stdout.strip()


@contextmanager
def loop_device(file: Path, *options: str) -> Iterator[str]:
    """Attach a file and detach it afterwards; skips the test where that is not possible."""
    try:
        node = losetup("--find", "--show", *options, str(file))
    except (subprocess.CalledProcessError, OSError) as error:
        pytest.skip(f"no loop device can be attached here ({error})")
    try:
        yield node
    finally:
        subprocess.run(["losetup", "--detach", node], check=False, capture_output=True, timeout=30)


def blank(file: Path, size: int = 32 << 20) -> Path:
    """Make a sparse file of `size` bytes."""
    with file.open("wb") as out:
        out.truncate(size)
    return file


def with_partition(file: Path, start: int = 2048, sectors: int = 40960) -> Path:
    """Write a DOS partition table with one Linux partition, in sectors of 512 bytes."""
    blank(file)
    entry = bytes([0, 0, 2, 0, 0x83, 0, 2, 0]) + start.to_bytes(4, "little") + sectors.to_bytes(4, "little")
    with file.open("r+b") as out:
        out.seek(446)
        out.write(entry + bytes(48) + b"\x55\xaa")
    return file


@contextmanager
def reattached(node: str, file: Path) -> Iterator[None]:
    """Attach a file to one particular node; skips the test when somebody else has just taken it."""
    try:
        losetup(node, str(file))
    except subprocess.CalledProcessError as error:
        pytest.skip(f"{node} was taken by somebody else ({error})")
    try:
        yield
    finally:
        subprocess.run(["losetup", "--detach", node], check=False, capture_output=True, timeout=30)


@contextmanager
def partitioned(file: Path) -> Iterator[tuple[str, str]]:
    """Attach a drive with one partition; gives both nodes.

    The partition is announced by partx, because a kernel need not know partition tables of its own.
    """
    with loop_device(with_partition(file)) as node:
        done = subprocess.run(["partx", "--add", node], check=False, capture_output=True, text=True, timeout=30)
        if not Path(f"{node}p1").exists():
            pytest.skip(f"no partition can be made on a loop device here ({done.stderr.strip()})")
        try:
            yield node, f"{node}p1"
        finally:
            subprocess.run(["partx", "--delete", node], check=False, capture_output=True, timeout=30)


@contextmanager
def loop_at(number: int, file: Path) -> Iterator[str]:
    """Attach a file to `/dev/loop<number>`, which is made where there is none; skips the test where that fails."""
    node = f"/dev/loop{number}"
    try:
        if not Path(node).exists():
            os.mknod(node, 0o600 | stat.S_IFBLK, os.makedev(7, number))
        losetup(node, str(file))
    except (subprocess.CalledProcessError, OSError) as error:
        pytest.skip(f"{node} cannot be attached here ({error})")
    try:
        yield node
    finally:
        subprocess.run(["losetup", "--detach", node], check=False, capture_output=True, timeout=30)


@contextmanager
def slowable() -> Iterator[Callable[[str, int], None]]:
    """Give a way to slow a drive down for this process and its children: (node, bytes per second; 0: no limit).

    With 1 byte per second it hangs in the kernel (state D), as a dying drive does. Skips without blkio cgroups.
    """
    top = Path("/sys/fs/cgroup/blkio")
    folder = top / f"kitbank-test-{os.getpid()}"
    try:
        folder.mkdir()
        (folder / "cgroup.procs").write_text(str(os.getpid()))
    except OSError as error:
        pytest.skip(f"drives cannot be slowed down here ({error})")
    slowed: set[str] = set()

    def limit(node: str, rate: int) -> None:
        number = os.stat(node).st_rdev
        slowed.add(f"{os.major(number)}:{os.minor(number)}")
        for what in ("read", "write"):
            text = f"{os.major(number)}:{os.minor(number)} {rate}"
            (folder / f"blkio.throttle.{what}_bps_device").write_text(text)

    try:
        yield limit
    finally:
        for number in slowed:
            for what in ("read", "write"):
                (folder / f"blkio.throttle.{what}_bps_device").write_text(f"{number} 0")
        for pid in (folder / "cgroup.procs").read_text().split():
            with suppress(OSError):
                (top / "cgroup.procs").write_text(pid)
        with suppress(OSError):
            folder.rmdir()
