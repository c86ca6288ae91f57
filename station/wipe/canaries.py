"""Plant known blocks before a wipe, so that afterwards their absence shows that writing had an effect.

A canary proves an effect on the places it was planted in, nothing about spare areas that a drive hides.
"""

import contextlib
from dataclasses import dataclass

from station.wipe.blockio import FAULTS, DriveStopped, Raw, buffer
from station.wipe.patterns import CANARY_BYTES, canary, canary_key, canary_offsets

COUNT = 64
COUNT_FOR_FIRMWARE = 1000
"""Where the drive erases itself, nothing says what must be there afterwards. An unerased run of a five-hundredth of
the drive is certain to hold one of a thousand canaries in equal strata (small writes: half a minute on a disk)."""


@dataclass(frozen=True)
class Planted:
    """Where canaries were written (byte offsets), how many could be read back, and why there are none."""

    offsets: tuple[int, ...]
    seen: int
    skipped: str = ""


def plant(raw: Raw, seed: bytes, count: int = COUNT) -> Planted:
    """Write the canaries of this run, flush, and read each back past the cache.

    Raises DriveStopped when the drive is gone, changed its size or does not confirm the flush.
    """
    key = canary_key(seed)
    wanted = canary_offsets(key, raw.size, raw.sector, count)
    if not wanted:
        return Planted((), 0, f"the drive has only {raw.size} bytes")
    planted = tuple(offset for offset in wanted if _written(raw, offset, canary(key, offset)))
    try:
        raw.flush()
    except OSError as error:
        raise DriveStopped(f"the drive did not confirm what was written ({error.strerror})") from error
    raw.check_there()
    seen = sum(_reads(raw, offset, canary(key, offset)) for offset in planted)
    refused = "" if planted else f"the drive refused to write any of {len(wanted)}"
    return Planted(planted, seen, refused)


def planted_by_a_firmware_erase(seed: bytes, size: int, sector: int) -> tuple[int, ...]:
    """Return where the canaries of such an erase were (byte offsets): they follow from its seed, sizes in bytes."""
    return canary_offsets(canary_key(seed), size, sector, COUNT_FOR_FIRMWARE)


def _written(raw: Raw, offset: int, content: bytes) -> bool:
    block = buffer(CANARY_BYTES)
    block[:] = content
    try:
        raw.write(offset, block)
    except OSError as error:
        raw.check_there()
        if error.errno not in FAULTS:
            raise DriveStopped(f"the drive cannot be written: {error.strerror}") from error
        return False
    return True


def _reads(raw: Raw, offset: int, content: bytes) -> bool:
    with contextlib.suppress(OSError):
        return raw.read(offset, CANARY_BYTES) == content
    return False
