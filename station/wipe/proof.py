"""Look at a wiped drive with other eyes: a separate program that can only read.

    python -m station.wipe.proof PATH  <spec.json  >report.jsonl

It is started by the station, but shares no code with what wrote: it opens the drive read-only and past the
cache, makes sure that it is the very drive the station holds (device number or inode, and size), works out
for itself what must be there, and reads. Nothing of ours is imported on purpose. Reading and checking run
in two threads. Ranges that cannot be read are narrowed to sectors and listed, never skipped in silence.

Spec, one JSON object on standard input: `block` (bool), `rdev` or `dev` and `ino`, `size`, `sector` (bytes),
`kind` "full" or "sampled", `expected` "zero", "stream", "changed" or "byte:xx", `seed` (hex), `pass` (index
of the last pass), `canaries` (byte offsets). Where only "changed" can be expected (after a drive's own erase, which
need not leave zeros), each block of 4 KiB is put into one of five kinds instead, see `Kinds`. Report: lines
`{"read": bytes}` while it works, then one line `{"result": {…}}`, or `{"error": sentence}` with status 4.
"""

import argparse
import contextlib
import ctypes
import errno
import fcntl
import hashlib
import hmac
import json
import mmap
import os
import stat
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, TextIO

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

PIECE = 4 * 1024 * 1024
SUBSECTIONS = 1000
SHARE = 0.05  # of a subsection, per location: two make a tenth of the drive
READERS = 2
_CANARY = 4096
_BLOCK = 4096
_PERIOD = 64  # bytes; what repeats within this is a pattern that a drive writes, not somebody's file
_NOISE = (120.0, 500.0)  # chi-square of 256 byte values: 255 on average for noise, and never this far off by chance
_MOST_PATTERNS = 1000
_GIVE_UP_AFTER = 8
_NARROW_SECONDS = 60.0


class CannotLook(Exception):
    """Nothing was read: this is not the drive, or it cannot be opened; a sentence for people."""


def keys_of(seed: bytes, label: str) -> bytes:
    """Return HMAC-SHA256(seed, label)."""
    return hmac.digest(seed, label.encode("ascii"), "sha256")


def expected_canary(seed: bytes, offset: int) -> bytes:
    """Return what was planted at `offset`."""
    shake = hashlib.shake_256(keys_of(seed, "kitbank canary v1"))
    shake.update(offset.to_bytes(16, "big"))
    return shake.digest(_CANARY)


def sample(size: int, step: int, seed: bytes) -> list[tuple[int, int]]:
    """Choose (offset, length) of what a sampled look reads: both ends, and two places in each subsection.

    Each place is a twentieth of its subsection, in whole steps of `step` bytes, one in either half of it.
    A drive too small for that is read whole.
    """
    blocks = size // step
    if blocks < 2 * SUBSECTIONS:
        return [(0, size)]
    chosen = [(0, step), ((size - 1) // step * step, size - (size - 1) // step * step)]
    for index in range(2 * SUBSECTIONS):
        low, high = index * blocks // (2 * SUBSECTIONS), (index + 1) * blocks // (2 * SUBSECTIONS)
        length = max(1, min(high - low, -int(-SHARE * 2 * (high - low) // 1)))
        number = int.from_bytes(keys_of(seed, f"kitbank sample v1 {index}"), "big")
        chosen.append(((low + number % (high - low - length + 1)) * step, length * step))
    return chosen


def pieces(extents: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Cut extents into pieces of at most PIECE bytes, in order and without reading anything twice."""
    reached = 0
    for start, length in sorted(extents):
        end, at = start + length, max(start, reached)
        while at < end:
            yield at, min(PIECE, end - at)
            at += PIECE
        reached = max(reached, end)


class Eyes:
    """The opened drive: read-only, past the cache where that is possible."""

    def __init__(self, path: str, spec: dict[str, Any]) -> None:
        """Open and identify; raises CannotLook."""
        try:
            self.odd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise CannotLook(f"{path} cannot be opened for reading: {error.strerror}") from error
        seen = os.fstat(self.odd)
        same = (
            stat.S_ISBLK(seen.st_mode) and seen.st_rdev == spec["rdev"]
            if spec["block"]
            else (seen.st_dev, seen.st_ino) == (spec["dev"], spec["ino"])
        )
        if not same:
            raise CannotLook(f"{path} is not the drive that was wiped: another one answers there now")
        self.block, self.size = bool(spec["block"]), int(spec["size"])
        if self.size_now() != self.size:
            raise CannotLook(f"{path} has {self.size_now()} bytes now and had {self.size}")
        self.fd, self.direct = self.odd, False
        with contextlib.suppress(OSError):
            self.fd = os.open(path, os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC)
            again = os.fstat(self.fd)
            if (again.st_dev, again.st_ino, again.st_rdev) != (seen.st_dev, seen.st_ino, seen.st_rdev):
                raise CannotLook(f"{path} changed while it was being opened")
            self.direct = True

    def size_now(self) -> int:
        """Return the size in bytes that the drive reports now; 0 when it is gone."""
        if not self.block:
            return os.fstat(self.odd).st_size
        try:  # BLKGETSIZE64, linux/fs.h
            return int(struct.unpack("=Q", fcntl.ioctl(self.odd, 0x80081272, b"\0" * 8))[0])
        except OSError:
            return 0

    def read(self, view: memoryview, at: int) -> None:
        """Fill `view` from byte `at`; raises OSError."""
        done = 0
        while done < len(view):
            got = self._some(view[done:], at + done)
            if got == 0:
                raise OSError(errno.ENODATA, "the drive ended early")
            done += got

    def _some(self, view: memoryview, at: int) -> int:
        if self.direct:
            try:
                return os.preadv(self.fd, [view], at)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
                if len(view) % 4096 == 0 and at % 4096 == 0:
                    self.direct = False  # refused for what should fit: no direct reading here
        os.posix_fadvise(self.odd, at, len(view), os.POSIX_FADV_DONTNEED)
        return os.preadv(self.odd, [view], at)


class Expectation:
    """What every byte must be, and how far a piece is from it. One per thread: it owns its scratch memory."""

    def __init__(self, spec: dict[str, Any]) -> None:
        """Work out from the spec what must be there."""
        self.name = str(spec["expected"])
        self._same = mmap.mmap(-1, PIECE)
        self._compare = ctypes.CDLL(None).memcmp
        self._compare.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
        self._address = ctypes.addressof(ctypes.c_char.from_buffer(self._same))
        self._view = memoryview(self._same)
        self._key = b""
        self.kinds = Kinds(self._compare)
        if self.name == "stream":
            self._key = keys_of(bytes.fromhex(spec["seed"]), f"kitbank stream v1 pass {spec['pass']}")
        elif self.name.startswith("byte:"):
            self._view[:] = bytes([int(self.name[5:], 16)]) * PIECE
        elif self.name not in ("zero", "changed"):
            raise CannotLook(f"the spec expects {self.name!r}, which means nothing here")

    def wrong(self, view: memoryview, address: int, at: int) -> tuple[int, int | None]:
        """Return how many bytes of the piece read from byte `at` are not as expected, and where the first is."""
        if self.name == "changed":
            self.kinds.see(view, address, at)
            return 0, None
        if self._key:
            self._regenerate(len(view), at)
        if self._fits(view, address):
            return 0, None
        seen, wanted = bytes(view), bytes(self._view[: len(view)])
        difference = (int.from_bytes(seen, "big") ^ int.from_bytes(wanted, "big")).to_bytes(len(seen), "big")
        return len(seen) - difference.count(0), at + len(seen) - len(difference.lstrip(b"\0"))

    def _fits(self, view: memoryview, address: int) -> bool:
        """Compare with the system's memcmp, which lets the other thread run; one byte repeated fits itself shifted."""
        if self._key:
            return bool(self._compare(address, self._address, len(view)) == 0)
        head = min(512, len(view))
        alike = self._compare(address, address + head, len(view) - head) == 0
        return alike and bytes(view[:head]) == bytes(self._view[:head])

    def _regenerate(self, length: int, at: int) -> None:
        cipher = Cipher(algorithms.AES(self._key), modes.CTR((at >> 4).to_bytes(16, "big"))).encryptor()
        step = 1 << 18
        for low in range(0, length, step):
            high = min(length, low + step)
            cipher.update_into(bytes(high - low), self._view[low:high])


class Kinds:
    """What 4 KiB blocks look like, counted: zero, ones, repeating, random, structured (what files look like)."""

    NAMES = ("zero", "ones", "repeating", "random", "structured")

    def __init__(self, compare: Callable[..., int]) -> None:
        """Begin with nothing seen; `compare` is the system's memcmp."""
        self._compare = compare
        self.seen: Counter[str] = Counter()
        self.patterns: Counter[str] = Counter()
        self.first_structured: int | None = None

    def see(self, view: memoryview, address: int, at: int) -> None:
        """Count the blocks of a piece that was read from byte `at`."""
        blocks = -(-len(view) // _BLOCK)
        if len(view) > _PERIOD and not self._compare(address, address + _PERIOD, len(view) - _PERIOD):
            self._periodic(bytes(view[:_PERIOD]), blocks)
            return
        whole = len(view) // _BLOCK
        self._blocks(view[: whole * _BLOCK], _BLOCK, at)
        if whole < blocks:
            rest = view[whole * _BLOCK :]
            self._blocks(rest, len(rest), at + whole * _BLOCK)

    def _periodic(self, head: bytes, blocks: int) -> None:
        name = {b"\0": "zero", b"\xff": "ones"}.get(head[:1] if head.count(head[:1]) == len(head) else b"", "repeating")
        self.seen[name] += blocks
        if name == "repeating" and (head[:16].hex() in self.patterns or len(self.patterns) < _MOST_PATTERNS):
            self.patterns[head[:16].hex()] += blocks

    def _blocks(self, view: memoryview, length: int, at: int) -> None:
        import numpy as np  # counts bytes of 4 MiB in some milliseconds; needed only for what is not one pattern

        table = np.frombuffer(view, np.uint8).reshape(-1, length)
        if not table.size:
            return
        periodic = (table[:, _PERIOD:] == table[:, :-_PERIOD]).all(axis=1)
        for row in table[periodic]:
            self._periodic(row[:_PERIOD].tobytes(), 1)
        others = np.flatnonzero(~periodic)
        if not others.size:
            return
        counts = np.array([np.bincount(table[row], minlength=256) for row in others])  # row by row fits the cache
        even = length / 256
        off = ((counts - even) ** 2).sum(axis=1) / even
        noise = (off > _NOISE[0]) & (off < _NOISE[1])
        self.seen["random"] += int(noise.sum())
        self.seen["structured"] += int((~noise).sum())
        if not noise.all():
            first = at + int(others[int(np.flatnonzero(~noise)[0])]) * length
            self.first_structured = first if self.first_structured is None else min(first, self.first_structured)

    @staticmethod
    def report(each: "list[Kinds]") -> dict[str, Any]:
        """Return the counts of all readers together."""
        seen: Counter[str] = sum((one.seen for one in each), Counter())
        patterns: Counter[str] = sum((one.patterns for one in each), Counter())
        firsts = [one.first_structured for one in each if one.first_structured is not None]
        return {
            "blocks": seen.total(),
            **{name: seen[name] for name in Kinds.NAMES},
            "patterns": [name for name, _ in patterns.most_common(8)],
            "first_structured": min(firsts, default=None),
        }


class Look:
    """One look at a drive: the shared tally of what the readers find."""

    def __init__(self, eyes: Eyes, spec: dict[str, Any], tell: Callable[[int], None]) -> None:
        """Prepare; nothing is read yet."""
        self.eyes, self.spec, self.tell = eyes, spec, tell
        self.sector = int(spec["sector"])
        step = max(self.sector, 4096)
        seed = bytes.fromhex(spec["seed"])
        extents = sample(eyes.size, step, seed) if spec["kind"] == "sampled" else [(0, eyes.size)]
        self.todo = pieces(extents)
        self.lock = threading.Lock()
        self.bytes_read = self.bytes_wrong = self.dead = 0
        self.first_wrong: int | None = None
        self.unreadable: list[tuple[int, int]] = []
        self.stopped = ""
        self.failed: list[BaseException] = []
        self.kinds: list[Kinds] = []

    def work(self) -> None:
        """Read and check pieces until none is left; the body of one reader."""
        memory = mmap.mmap(-1, PIECE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        with contextlib.suppress(OSError):
            memory.madvise(mmap.MADV_HUGEPAGE)
        address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        view, expectation = memoryview(memory), Expectation(self.spec)
        self.kinds.append(expectation.kinds)
        while True:
            with self.lock:
                at, length = next(self.todo, (0, 0))
            if not length:
                return
            self._piece(view[:length], address, at, expectation)

    def _piece(self, view: memoryview, address: int, at: int, expectation: Expectation) -> None:
        if self.stopped:
            self._note(len(view), 0, 0, None, [(at, len(view))])
            return
        read = wrong = 0
        first: int | None = None
        lost: list[tuple[int, int]] = []
        waiting, deadline = [(0, len(view))], 0.0
        while waiting:
            low, length = waiting.pop()
            part = view[low : low + length]
            try:
                self.eyes.read(part, at + low)
            except OSError as error:
                deadline = deadline or time.monotonic() + _NARROW_SECONDS
                if self._give_up(error) or length <= self.sector or time.monotonic() > deadline:
                    lost.append((at + low, length))
                else:
                    half = max(self.sector, length // 2 // self.sector * self.sector)
                    waiting += [(low + half, length - half), (low, half)]
                continue
            bad, where = expectation.wrong(part, address + low, at + low)
            read, wrong = read + length, wrong + bad
            first = where if first is None else first
        self._note(len(view), read, wrong, first, lost)

    def _give_up(self, error: OSError) -> bool:
        if not self.stopped and (error.errno == errno.ENODEV or self.eyes.size_now() != self.eyes.size):
            self.stopped = f"the drive went away or changed its size while it was read back ({error.strerror})"
        if not self.stopped and self.dead >= _GIVE_UP_AFTER:
            self.stopped = f"the drive refuses every read, piece after piece ({error.strerror})"
        return bool(self.stopped)

    def _note(self, length: int, read: int, wrong: int, first: int | None, lost: list[tuple[int, int]]) -> None:
        with self.lock:
            self.bytes_read += read
            self.bytes_wrong += wrong
            if first is not None:
                self.first_wrong = first if self.first_wrong is None else min(first, self.first_wrong)
            self.unreadable += lost
            self.dead = 0 if read else self.dead + 1
            self.tell(length)

    def canaries(self) -> tuple[int, int]:
        """Return how many canaries survive, in any one sector of theirs, and how many cannot be read."""
        seed, surviving, unreadable = bytes.fromhex(self.spec["seed"]), 0, 0
        view = memoryview(mmap.mmap(-1, _CANARY))
        for offset in self.spec["canaries"]:
            planted = expected_canary(seed, offset)
            try:
                self.eyes.read(view, offset)
            except OSError:
                unreadable += 1
                continue
            surviving += any(view[low : low + 512] == planted[low : low + 512] for low in range(0, _CANARY, 512))
        return surviving, unreadable


def look(path: str, spec: dict[str, Any], tell: Callable[[int], None]) -> dict[str, Any]:
    """Read the drive as the spec says and return what was found; raises CannotLook before reading anything."""
    begun = time.monotonic()
    eyes = Eyes(path, spec)
    one = Look(eyes, spec, tell)
    Expectation(spec)  # an unknown expectation is refused before anything is read

    def reader() -> None:
        try:
            one.work()
        except BaseException as error:  # noqa: BLE001  # raised again below, in the thread that can say so
            one.failed.append(error)

    readers = [threading.Thread(target=reader) for _ in range(READERS)]
    for thread in readers:
        thread.start()
    for thread in readers:
        thread.join()
    if one.failed:
        raise one.failed[0]
    surviving, unreadable = one.canaries()
    return {
        "kind": spec["kind"],
        "expected": spec["expected"],
        "bytes_total": eyes.size_now(),
        "bytes_read": one.bytes_read,
        "bytes_wrong": one.bytes_wrong,
        "first_wrong": one.first_wrong,
        "unreadable": sorted(one.unreadable),
        "content": Kinds.report(one.kinds) if spec["expected"] == "changed" else None,
        "canaries_surviving": surviving,
        "canaries_unreadable": unreadable,
        "read_only": fcntl.fcntl(eyes.fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY,
        "direct": eyes.direct,
        "seconds": time.monotonic() - begun,
        "stopped": one.stopped,
        "pid": os.getpid(),
    }


def run(arguments: list[str], given: TextIO, out: TextIO) -> int:
    """Be the program: read the spec from `given`, report on `out`, return the exit status."""
    parser = argparse.ArgumentParser(prog="station.wipe.proof", description="Read a wiped drive back.")
    parser.add_argument("path")
    path = parser.parse_args(arguments).path
    told = {"read": 0, "at": 0.0}

    def tell(length: int) -> None:
        told["read"] += length
        if time.monotonic() - told["at"] > 0.25:
            told["at"] = time.monotonic()
            print(json.dumps({"read": told["read"]}), file=out, flush=True)

    try:
        print(json.dumps({"result": look(path, json.load(given), tell)}), file=out, flush=True)
    except CannotLook as error:
        print(json.dumps({"error": str(error)}), file=out, flush=True)
        return 4
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:], sys.stdin, sys.stdout))
