"""What an NVMe drive says, decoded from its raw bytes and from nothing else. Pure: no program, no file, no clock.

nvme-cli's JSON is not read at all, because its keys move between versions (STATION.md section 5: in 2.7 and 2.8 the
sanitize status *is* the key). Every decoder takes exactly the bytes of one structure and either returns a frozen
record or raises `NotThat` with a sentence. Offsets are those of the NVM Express Base Specification 1.4 (figure
numbers at each decoder), of which later revisions only fill reserved bytes; the lock is TCG Storage level 0 discovery.
"""

import struct
from dataclasses import dataclass

from station.errors import StationError
from station.said import said

IDENTIFY_BYTES = 4096
LOG_BYTES = 512
NO_ESTIMATE = 0xFFFFFFFF

# Sanitize actions (figure 334, SANACT).
EXIT_FAILURE, BLOCK, OVERWRITE, CRYPTO = 1, 2, 3, 4
# Sanitize status (figure 262, SSTAT bits 2:0).
NEVER, DONE, WORKING, FAILED, DONE_NO_DEALLOC = 0, 1, 2, 3, 4

# Status codes, type and code without the "more" and "do not retry" bits (figures 126 to 130).
INVALID_OPCODE, INVALID_FIELD, SANITIZE_FAILED, SANITIZE_IN_PROGRESS = 0x001, 0x002, 0x01C, 0x01D
INVALID_LOG_PAGE, ACCESS_DENIED = 0x109, 0x286


class NotThat(StationError):
    """The bytes are not the structure that was asked for; the message says why not."""


@dataclass(frozen=True)
class Controller:
    """Identify Controller: who the drive is and what it can (figure 247). Capacities in bytes, 0 where not told."""

    serial: str
    model: str
    firmware: str
    oacs: int
    fna: int
    sanicap: int
    namespaces: int  # the highest number a namespace may have
    capacity: int
    unallocated: int
    rpmb: bool

    @property
    def formats(self) -> bool:
        """Tell whether it has Format NVM (OACS bit 1)."""
        return bool(self.oacs & 1 << 1)

    @property
    def has_security(self) -> bool:
        """Tell whether it has Security Send and Receive (OACS bit 0), by which a lock can be asked for."""
        return bool(self.oacs & 1 << 0)

    @property
    def manages_namespaces(self) -> bool:
        """Tell whether namespaces can be made, so that some may be attached to nothing (OACS bit 3)."""
        return bool(self.oacs & 1 << 3)

    @property
    def format_hits_all(self) -> bool:
        """Tell whether a format with secure erase hits every namespace (FNA bit 1), or any format does (bit 0)."""
        return bool(self.fna & 0b11)

    @property
    def crypto_format(self) -> bool:
        """Tell whether a format can throw the key away (FNA bit 2)."""
        return bool(self.fna & 1 << 2)

    @property
    def must_deallocate(self) -> bool:
        """Tell whether "no deallocate after sanitize" is forbidden (SANICAP bit 29, NDI)."""
        return bool(self.sanicap & 1 << 29)

    def sanitizes(self, action: int) -> bool:
        """Tell whether it has this sanitize action (SANICAP bit 0 crypto, 1 block, 2 overwrite)."""
        return bool(self.sanicap & {CRYPTO: 1 << 0, BLOCK: 1 << 1, OVERWRITE: 1 << 2}[action])


@dataclass(frozen=True)
class Namespace:
    """Identify Namespace: its size and how it is formatted (figure 245). `size` in bytes of data, no metadata.

    `lbaf` is the number of the LBA format in use, `metadata` its bytes beside each block, `extended` whether these
    follow the data in one buffer (FLBAS bit 4); `protection` is DPS bits 2:0 and `first` DPS bit 3.
    """

    blocks: int
    lbaf: int
    lba: int
    metadata: int
    extended: bool
    protection: int
    first: bool
    eui64: str
    nguid: str

    @property
    def size(self) -> int:
        """Return the size in bytes."""
        return self.blocks * self.lba

    @property
    def identity(self) -> tuple[int, int, int, bool, int, bool, str, str]:
        """Return what an erase must leave as it was."""
        return (
            self.size,
            self.lbaf,
            self.metadata,
            self.extended,
            self.protection,
            self.first,
            self.eui64,
            self.nguid,
        )


@dataclass(frozen=True)
class SanitizeLog:
    """Log page 81h (figure 262). `command` is SCDW10, dword 10 of the Sanitize command that the status is about.

    `estimates` are seconds for overwrite (16 passes), block and crypto, then the same without deallocation; None where
    the drive reports none. `erased_since` is "global data erased": nothing was written since the last sanitize.
    """

    progress: int
    status: int
    passes: int
    erased_since: bool
    command: int
    estimates: tuple[float | None, ...]

    @property
    def share(self) -> float:
        """Return how far a sanitize at work is, 0 to 1; means nothing in any other status (FFFFh is not "done")."""
        return self.progress / 65536

    @property
    def unrestricted(self) -> bool:
        """Tell whether that command allowed leaving failure mode (AUSE, bit 3)."""
        return bool(self.command & 1 << 3)

    def seconds(self, action: int, *, no_deallocate: bool = False) -> float | None:
        """Return the drive's estimate for an action; that for overwriting is for 16 passes."""
        return self.estimates[{OVERWRITE: 0, BLOCK: 1, CRYPTO: 2}[action] + 3 * no_deallocate]


@dataclass(frozen=True)
class Lock:
    """The Locking feature of a self-encrypting drive (TCG Storage Core, level 0 discovery, feature 0002h)."""

    enabled: bool
    locked: bool


def controller(data: bytes) -> Controller:
    """Decode Identify Controller, 4,096 bytes."""
    _whole(data, IDENTIFY_BYTES, "Identify Controller")
    if data[512] & 0xF < 6 or data[513] & 0xF < 4:  # entries are at least 64 and 16 bytes: fixed by the base figure 247
        raise NotThat(
            "this is no Identify Controller: the sizes of its queue entries (bytes 512 and 513) cannot be true"
        )
    oacs, fna, sanicap, number = (
        _number(data, 256, 2),
        data[524],
        _number(data, 328, 4),
        _number(data, 516, 4),
    )
    serial, model, firmware = (said(_text(data[low:high])) for low, high in ((4, 24), (24, 64), (64, 72)))
    return Controller(
        serial=serial,
        model=model,
        firmware=firmware,
        oacs=oacs,
        fna=fna,
        sanicap=sanicap,
        namespaces=number,
        capacity=_number(data, 280, 16),
        unallocated=_number(data, 296, 16),
        rpmb=bool(_number(data, 312, 4) & 0b111),
    )


def namespace(data: bytes) -> Namespace:
    """Decode Identify Namespace, 4,096 bytes; a namespace that is not there answers with zeros, which is refused."""
    _whole(data, IDENTIFY_BYTES, "Identify Namespace")
    formats, flbas, dps = data[25], data[26], data[29]
    # Bits 6:5 are the format's upper two bits where there are more than 16 (Base 2.0), and reserved before that.
    lbaf = (flbas & 0xF) | (((flbas >> 5) & 0b11) << 4 if formats > 15 else 0)
    if lbaf > formats or formats > 63:
        raise NotThat(f"this is no Identify Namespace: format {lbaf} is in use and the last one is {formats}")
    metadata, shift = struct.unpack_from("<HB", data, 128 + 4 * lbaf)
    if not 9 <= shift <= 32:
        raise NotThat(f"this is no Identify Namespace: a logical block of 2^{shift} bytes cannot be")
    return Namespace(
        blocks=_number(data, 0, 8),
        lbaf=lbaf,
        lba=1 << shift,
        metadata=metadata,
        extended=bool(flbas & 1 << 4),
        protection=dps & 0b111,
        first=bool(dps & 1 << 3),
        eui64=data[120:128].hex() if any(data[120:128]) else "",
        nguid=data[104:120].hex() if any(data[104:120]) else "",
    )


def sanitize_log(data: bytes) -> SanitizeLog:
    """Decode log page 81h, 512 bytes. A status that no specification names is refused."""
    _whole(data, LOG_BYTES, "the sanitize log")
    progress, status, command = struct.unpack_from("<HHI", data)
    if status & 0b111 > DONE_NO_DEALLOC or status >> 10 or command >> 11:
        raise NotThat(f"this is no sanitize log: status {status:#06x} about command {command:#010x} means nothing")
    estimates = struct.unpack_from("<6I", data, 8)
    return SanitizeLog(
        progress=progress,
        status=status & 0b111,
        passes=status >> 3 & 0b11111,
        erased_since=bool(status & 1 << 8),
        command=command,
        estimates=tuple(None if each == NO_ESTIMATE else float(each) for each in estimates),
    )


def namespace_list(data: bytes) -> tuple[int, ...]:
    """Decode an Identify namespace list (CNS 02h or 10h, figure 244's list of 1,024 numbers), ascending and unique."""
    if len(data) != IDENTIFY_BYTES:
        raise NotThat(f"a namespace list has {IDENTIFY_BYTES} bytes, and these are {len(data)}")
    numbers = struct.unpack("<1024I", data)
    found = tuple(number for number in numbers if number)
    if any(numbers[len(found) :]) or sorted(set(found)) != list(found):
        raise NotThat("this is no namespace list: its numbers do not rise")
    return found


def lock(data: bytes) -> Lock | None:
    """Decode level 0 discovery (TCG Storage Core 2.01, section 3.3.6); None when the drive knows no Locking.

    A header of 48 bytes whose first four are the length of what follows them; then features: code (2 bytes), version,
    length of the rest (1), rest. All numbers big-endian. Locking: bit 1 enabled, bit 2 locked.
    """
    if len(data) < 48:
        raise NotThat(f"a level 0 discovery has at least 48 bytes, and these are {len(data)}")
    end = 4 + int.from_bytes(data[:4], "big")
    if not 48 <= end <= len(data):
        raise NotThat(f"this is no level 0 discovery: it says that it has {end} bytes, and these are {len(data)}")
    at = 48
    while at + 4 <= end:
        code, length = int.from_bytes(data[at : at + 2], "big"), data[at + 3]
        if code == 0x0002 and length and at + 4 < end:
            return Lock(enabled=bool(data[at + 4] & 1 << 1), locked=bool(data[at + 4] & 1 << 2))
        at += 4 + length
    return None


def _whole(data: bytes, length: int, name: str) -> None:
    """Refuse what cannot be a structure at all: another length, nothing but one byte, or the text that a tool prints.

    Every structure here has reserved bytes, which are zero; printed text has no zero byte anywhere.
    """
    if len(data) != length:
        raise NotThat(f"{name} has {length} bytes, and these are {len(data)}")
    if len(set(data)) == 1 and (data[0] or length == IDENTIFY_BYTES):
        raise NotThat(f"{name}: these {length} bytes are all {data[0]:02X}, so nothing answered")
    if 0 not in data:
        raise NotThat(f"{name}: not one of these {length} bytes is zero, so this is printed text, or noise")


def _number(data: bytes, at: int, length: int) -> int:
    return int.from_bytes(data[at : at + length], "little")


def _text(data: bytes) -> str:
    return data.decode("ascii", "replace").strip(" \0")
