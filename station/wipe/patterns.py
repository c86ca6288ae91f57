"""What a pass writes, and what the canaries hold: everything follows from one random seed per run.

An auditor who knows the seed can make every byte again: the keys are HMAC-SHA256 of a label under the
seed; a random pass is the AES-256-CTR key stream whose 128-bit big-endian counter at byte offset *x* is
x / 16, so any extent can be made alone (that is what resuming and reading back need); a canary is 4 KiB of
SHAKE-256 over its key and its offset. `proof.py` holds a second implementation of the same three sentences
on purpose: a mistake here must not be repeated by the program that checks.
"""

import hashlib
import hmac
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

SEED_BYTES = 32
CANARY_BYTES = 4096
_PIECE = 256 * 1024
_NOTHING = bytes(_PIECE)


def derive(seed: bytes, label: str) -> bytes:
    """Return the 32-byte key that belongs to `label` in the run with this seed."""
    return hmac.new(seed, label.encode(), hashlib.sha256).digest()


def stream_key(seed: bytes, pass_index: int) -> bytes:
    """Return the AES-256 key of pass `pass_index` (counted from 0)."""
    return derive(seed, f"kitbank stream v1 pass {pass_index}")


def canary_key(seed: bytes) -> bytes:
    """Return the key of the canaries of a run."""
    return derive(seed, "kitbank canary v1")


@dataclass(frozen=True)
class Pattern:
    """The content of one pass: one repeated byte, or the AES-256-CTR stream of a key.

    `name` is the word in the evidence: "zero", "random", or "byte:xx" with two hexadecimal digits.
    """

    name: str
    byte: int = 0
    key: bytes = b""

    @property
    def constant(self) -> bool:
        """Tell whether every block is alike, so that one filled buffer serves the whole pass."""
        return not self.key

    def fill(self, view: memoryview, offset: int) -> None:
        """Write into `view` what belongs at byte `offset` (a multiple of 16) of the drive."""
        if self.constant:
            view[:] = bytes([self.byte]) * len(view)
            return
        counter = (offset // 16).to_bytes(16, "big")
        stream = Cipher(algorithms.AES(self.key), modes.CTR(counter)).encryptor()
        for start in range(0, len(view), _PIECE):
            piece = view[start : start + _PIECE]
            stream.update_into(_NOTHING[: len(piece)], piece)

    def block(self, offset: int, length: int) -> bytes:
        """Return the `length` bytes that belong at `offset`."""
        made = bytearray(length)
        self.fill(memoryview(made), offset)
        return bytes(made)


def pattern(name: str, seed: bytes, pass_index: int) -> Pattern:
    """Return the pattern called `name` for one pass of a run; raises ValueError for an unknown name."""
    if name == "zero":
        return Pattern("zero")
    if name == "random":
        return Pattern("random", key=stream_key(seed, pass_index))
    head, _, digits = name.partition(":")
    if head == "byte" and len(digits) == 2:
        return Pattern(name, byte=int(digits, 16))
    raise ValueError(f"no pattern is called {name!r}; use zero, random or byte:xx")


def canary(key: bytes, offset: int) -> bytes:
    """Return the canary that is planted at byte `offset`."""
    return hashlib.shake_256(key + offset.to_bytes(16, "big")).digest(CANARY_BYTES)


def canary_offsets(key: bytes, size: int, sector: int, count: int) -> tuple[int, ...]:
    """Choose where canaries go: one at a pseudo-random place in each of `count` equal strata, and both ends.

    Offsets are multiples of the larger of sector and canary size, sorted, without overlap; a drive with
    fewer places than `count` gets one in every place. The last one covers the last whole sectors.
    """
    if size < CANARY_BYTES:
        return ()
    step = max(sector, CANARY_BYTES)
    places = size // step
    last = (size - CANARY_BYTES) // sector * sector
    last = last if last >= CANARY_BYTES else 0
    chosen = {0, last}
    for index in range(min(count, places)):
        low, high = index * places // min(count, places), (index + 1) * places // min(count, places)
        number = int.from_bytes(derive(key, f"canary place {index} of {count}"), "big")
        chosen.add((low + number % (high - low)) * step)
    return tuple(sorted(place for place in chosen if place == last or place + CANARY_BYTES <= last))
