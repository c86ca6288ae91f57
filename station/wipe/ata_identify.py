"""What an ATA drive says it is: the 256 words of IDENTIFY DEVICE, decoded here and nowhere else. Pure.

Words are believed only when there are 256 of them, they belong to a disk, and their checksum (word 255) is right where
there is one. Of each group of words the validity bits are looked at first (bit 14 set, bit 15 clear), because bridges
and broken firmware answer with zeros or with FFFFh. Word numbers and bits: ATA Command Set (ACS-3) section 7.12.7.
"""

import re
import struct
from dataclasses import dataclass

from station.said import clean

_LINE = re.compile(r"^((?:[0-9a-f]{4} ){7}[0-9a-f]{4})\s*$", re.MULTILINE)
WORDS = 256
MOST_SECTORS = 1 << 48

SANITIZE_BITS = {"sanitize-block": 15, "sanitize-overwrite": 14, "sanitize-crypto": 13}  # of word 59


@dataclass(frozen=True)
class Identity:
    """One drive's IDENTIFY DEVICE data. Numbers in brackets below are word numbers."""

    words: tuple[int, ...]

    @property
    def checksum(self) -> str:
        """Return "right", or "none" for drives older than the checksum [255]; a wrong one is never an Identity."""
        return "right" if self.words[255] & 0xFF == 0xA5 else "none"

    @property
    def serial(self) -> str:
        """Return the serial number [10-19]."""
        return self._text(10, 10)

    @property
    def model(self) -> str:
        """Return the model [27-46]."""
        return self._text(27, 20)

    @property
    def firmware(self) -> str:
        """Return the firmware's version [23-26]."""
        return self._text(23, 4)

    @property
    def wwn(self) -> str:
        """Return the World Wide Name as 16 hex digits, or "" [108-111, valid by 87 bit 8]."""
        valid = self.words[87] & 0xC000 == 0x4000 and self.words[87] & 0x0100
        name = "".join(f"{word:04x}" for word in self.words[108:112])
        return name if valid and name.strip("0") else ""

    @property
    def sector_size(self) -> int:
        """Return the bytes of a logical sector [106, 117-118]."""
        if self.words[106] & 0xC000 == 0x4000 and self.words[106] & 0x1000:
            return 2 * (self.words[117] | self.words[118] << 16)
        return 512

    @property
    def sectors(self) -> int:
        """Return how many logical sectors are shown [100-103, or 60-61 without 48-bit addresses]."""
        if self.knows_features and self.words[83] & 0x0400:
            return sum(self.words[100 + at] << 16 * at for at in range(4))
        return self.words[60] | self.words[61] << 16

    @property
    def size(self) -> int:
        """Return the bytes that are shown."""
        return self.sectors * self.sector_size

    @property
    def turns(self) -> str:
        """Return "flash", "disk" or, where the drive does not say, "" [217]."""
        rate = self.words[217]
        return "flash" if rate == 1 else "disk" if 0x0401 <= rate <= 0xFFFE else ""

    @property
    def knows_features(self) -> bool:
        """Tell whether the words about features are valid at all [83]."""
        return self.words[83] & 0xC000 == 0x4000

    @property
    def sanitize(self) -> bool:
        """Tell whether the SANITIZE feature set is there [59 bit 12]."""
        return bool(self.words[59] & 0x1000)

    @property
    def sanitizes(self) -> frozenset[str]:
        """Return the names of the SANITIZE methods the drive has [59 bits 13 to 15]."""
        return frozenset(name for name, bit in SANITIZE_BITS.items() if self.sanitize and self.words[59] >> bit & 1)

    @property
    def host_protected_area(self) -> bool:
        """Tell whether part of the drive can be hidden by SET MAX ADDRESS [82 bit 10]."""
        return self.knows_features and bool(self.words[82] & 0x0400)

    @property
    def configuration_overlay(self) -> bool:
        """Tell whether the maker's tools can hide part of it (DCO) [83 bit 11]."""
        return self.knows_features and bool(self.words[83] & 0x0800)

    @property
    def accessible_max(self) -> bool:
        """Tell whether part of it can be hidden by SET ACCESSIBLE MAX ADDRESS [119 bit 8]."""
        return self.words[119] & 0xC000 == 0x4000 and bool(self.words[119] & 0x0100)

    @property
    def security_word(self) -> int:
        """Return the security status as it stands in the data [128]."""
        return self.words[128]

    @property
    def security(self) -> bool:
        """Tell whether there are passwords [82 bit 1 and 128 bit 0: both must say so]."""
        return self.knows_features and bool(self.words[82] & 2) and bool(self.words[128] & 1)

    @property
    def security_contradicts(self) -> bool:
        """Tell whether the two places that tell of passwords contradict each other [82, 85, 128]."""
        if not self.knows_features:
            return bool(self.words[128] & 1)
        supported = bool(self.words[82] & 2) != bool(self.words[128] & 1)
        enabled = self.words[87] & 0xC000 == 0x4000 and bool(self.words[85] & 2) != bool(self.words[128] & 2)
        return supported or enabled

    @property
    def enabled(self) -> bool:
        """Tell whether a password is set [128 bit 1, 85 bit 1: one is enough]."""
        return bool(self.words[128] & 2) or (self.words[87] & 0xC000 == 0x4000 and bool(self.words[85] & 2))

    @property
    def locked(self) -> bool:
        """Tell whether the drive refuses to be read and written until it hears the password [128 bit 2]."""
        return bool(self.words[128] & 4)

    @property
    def frozen(self) -> bool:
        """Tell whether passwords and erases are refused until the next power-on [128 bit 3]."""
        return bool(self.words[128] & 8)

    @property
    def expired(self) -> bool:
        """Tell whether five wrong passwords were tried; only switching off and on helps [128 bit 4]."""
        return bool(self.words[128] & 0x10)

    @property
    def enhanced(self) -> bool:
        """Tell whether there is an enhanced erase [128 bit 5]."""
        return bool(self.words[128] & 0x20)

    def erase_seconds(self, *, enhanced: bool) -> float:
        """Return the drive's own estimate for SECURITY ERASE UNIT in seconds, 0 when it gives none [89, 90].

        Units of two minutes; the greatest values of either form only say "more than".
        """
        raw = self.words[90 if enhanced else 89]
        units = raw & 0x7FFF if raw & 0x8000 else raw
        return units * 120.0

    def to_hex(self) -> str:
        """Return all words in hex, in the order of the drive's bytes."""
        return struct.pack(f"<{WORDS}H", *self.words).hex()

    def _text(self, start: int, count: int) -> str:
        raw = struct.pack(f">{count}H", *self.words[start : start + count])
        return clean(raw.decode("latin-1").replace("\0", " "))


def parse_istdout(text: str) -> tuple[Identity | None, str]:
    """Read what `hdparm --Istdout` prints: 32 lines of eight words. Returns the identity or None, and why not."""
    found = " ".join(_LINE.findall(text)).split()
    if len(found) != WORDS:
        return None, f"no IDENTIFY data: {len(found)} words instead of {WORDS}"
    return from_words(tuple(int(word, 16) for word in found))


def from_words(words: tuple[int, ...]) -> tuple[Identity | None, str]:
    """Check 256 words. Returns the identity or None, and why they cannot be believed."""
    if len(words) != WORDS:
        return None, f"no IDENTIFY data: {len(words)} words instead of {WORDS}"
    data = struct.pack(f"<{WORDS}H", *words)
    if data[510] == 0xA5 and sum(data) & 0xFF:
        return None, "the drive's IDENTIFY data has a wrong checksum, so nothing in it is believed"
    if words[0] & 0x8000:
        return None, "it is no ATA disk (an ATAPI drive, or no answer of an ATA drive at all)"
    identity = Identity(words)
    if not 1 < identity.sectors < MOST_SECTORS or not 512 <= identity.sector_size <= 65536:
        text = f"{identity.sectors} sectors of {identity.sector_size} bytes"
        return None, f"the drive's IDENTIFY data makes no sense: {text}"
    return identity, ""
