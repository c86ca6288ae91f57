"""What one model of an ATA drive is: its label, its size, its features. And its IDENTIFY words (ACS-3, 7.12.7)."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

KINDS = ("crypto", "block", "overwrite")


@dataclass(frozen=True)
class AtaSpec:
    """A drive as it leaves the factory. `sectors` are all that exist; `seconds` is how long things take here."""

    sectors: int
    model: str = "KITBANK SIMULATED SSD"
    serial: str = "SIM0000001"
    firmware: str = "SIM1.0"
    wwn: int = 0x5000C500A0000001
    rotation: int = 1  # word 217: 1 for no rotation, else rpm
    sector_size: int = 512
    physical_size: int = 4096
    sanitize: frozenset[str] = frozenset(KINDS)
    antifreeze: bool = True
    security: bool = True
    enhanced: bool = True
    erase_word: int | None = None  # word 89 raw; None for `erase_minutes`
    enhanced_word: int | None = None
    erase_minutes: int = 2
    enhanced_minutes: int = 2
    hidden: str = "hpa"  # "hpa", "ama" (ACS-3 and newer) or "none"
    dco: bool = True
    dco_sectors: int | None = None  # what DCO SET left accessible, None for all
    hpa_sectors: int | None = None  # what a kept SET MAX left visible, None for all
    trim: bool = True
    smart: bool = True
    write_cache: bool = True
    erased: bytes = b"\0"  # what a normal erase leaves
    seconds: Mapping[str, float] = field(
        default_factory=lambda: {"crypto": 1.0, "block": 6.0, "overwrite": 12.0, "erase": 4.0, "self-test": 6.0}
    )


def string(text: str, length: int) -> bytes:
    """Return an ATA string: padded with spaces, the two bytes of each word swapped."""
    raw = text.encode("ascii")[:length].ljust(length)
    return bytes(raw[at ^ 1] for at in range(length))


def minutes_word(minutes: int) -> int:
    """Return a time for words 89 and 90: units of two minutes, the extended form (bit 15) above 508 minutes."""
    half = (minutes + 1) // 2
    return half if half <= 254 else 0x8000 | min(half, 0x7FFE)


@dataclass(frozen=True)
class Now:
    """What of IDENTIFY changes while the drive runs."""

    serial: str
    wwn: int
    visible: int
    security: int = 0  # word 128
    master_id: int = 0xFFFE
    write_cache: bool = True
    smart: bool = True
    security_enabled: bool = False


def words(spec: AtaSpec, now: Now) -> bytes:
    """Return the 512 bytes of IDENTIFY DEVICE."""
    w = [0] * 256
    w[0], w[1], w[3], w[6] = 0x0040, 16383, 16, 63
    _put(w, 10, string(now.serial, 20))
    _put(w, 23, string(spec.firmware, 8))
    _put(w, 27, string(spec.model, 40))
    w[47], w[48], w[49], w[50], w[53] = 0x8010, 0x4000, 0x2F00, 0x4000, 0x0007
    w[54], w[55], w[56] = 16383, 16, 63
    chs = min(now.visible, 16383 * 16 * 63)
    w[57], w[58] = chs & 0xFFFF, chs >> 16
    w[59] = 0x0110 | _sanitize_bits(spec)
    short = min(now.visible, 0x0FFFFFFF)
    w[60], w[61] = short & 0xFFFF, short >> 16
    w[63], w[64], w[65], w[66], w[67], w[68] = 0x0007, 0x0003, 120, 120, 120, 120
    w[69] = 0x4020 if spec.trim else 0  # deterministic, reads zeros after TRIM
    w[75], w[76], w[77], w[78], w[79] = 31, 0x010E, 0x0006, 0x0044, 0x0040
    w[80], w[81] = 0x07F0, 0x006D  # ATA/ATAPI-4 to ACS-3
    _features(w, spec, now)
    w[88], w[93] = 0x407F, 0
    w[89] = _time(spec.erase_word, spec.erase_minutes, spec.security)
    w[90] = _time(spec.enhanced_word, spec.enhanced_minutes, spec.security and spec.enhanced)
    w[92] = now.master_id if spec.security else 0
    for at in range(4):
        w[100 + at] = now.visible >> (16 * at) & 0xFFFF
        w[108 + at] = now.wwn >> (16 * (3 - at)) & 0xFFFF
    w[105] = 8 if spec.trim else 0
    ratio = (spec.physical_size // spec.sector_size).bit_length() - 1
    w[106] = 0x4000 | (0x2000 | ratio if ratio else 0) | (0x1000 if spec.sector_size > 512 else 0)
    if spec.sector_size > 512:
        w[117], w[118] = spec.sector_size // 2 & 0xFFFF, spec.sector_size // 2 >> 16
    w[119] = w[120] = 0x4014 | (0x0100 if spec.hidden == "ama" else 0)
    w[128] = now.security
    w[169] = 1 if spec.trim else 0
    w[206], w[209], w[217], w[222] = 0, 0x4000, spec.rotation, 0x107F
    return _with_checksum(w)


def _features(w: list[int], spec: AtaSpec, now: Now) -> None:
    """Words 82 to 87: what is supported, and what of it is on."""
    hpa = 0x0400 if spec.hidden == "hpa" else 0
    w[82] = 0x7068 | hpa | (1 if spec.smart else 0) | (2 if spec.security else 0)
    w[83] = 0x7400 | (0x0800 if spec.dco else 0)
    w[84] = 0x4163
    w[85] = 0x7048 | hpa | (1 if now.smart and spec.smart else 0) | (2 if now.security_enabled else 0)
    w[85] |= 0x0020 if now.write_cache else 0
    w[86] = 0xB400 | (0x0800 if spec.dco else 0)
    w[87] = 0x4163


def _sanitize_bits(spec: AtaSpec) -> int:
    """Word 59, bits 10 to 15."""
    if not spec.sanitize:
        return 0
    bits = {"block": 0x8000, "overwrite": 0x4000, "crypto": 0x2000}
    return 0x1800 | (0x0400 if spec.antifreeze else 0) | sum(bits[kind] for kind in spec.sanitize)


def _time(raw: int | None, minutes: int, supported: bool) -> int:
    return raw if raw is not None else minutes_word(minutes) if supported else 0


def _put(w: list[int], at: int, data: bytes) -> None:
    for n, (word,) in enumerate(struct.iter_unpack("<H", data)):
        w[at + n] = word


def _with_checksum(w: list[int]) -> bytes:
    data = struct.pack("<255H", *w[:255]) + b"\xa5"
    return data + bytes([-sum(data) & 0xFF])
