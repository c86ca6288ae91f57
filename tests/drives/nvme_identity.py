"""Who the simulated drive says it is, and what it says it can: the Identify data structures, byte by byte.

Offsets are those of the NVM Express Base Specification 1.4, figures 245 (namespace), 247 (controller) and 249
(namespace identification descriptors); the fabrics part (bytes 1792 and up) is from NVMe over Fabrics 1.1.
"""

import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass

CAPSULE_DATA = 16384  # bytes of a write that may travel inside its command


@dataclass(frozen=True)
class Make:
    """How the drive was built. The defaults are those of a small honest consumer drive."""

    serial: str = "KBSIM0001"
    model: str = "Kitbank Simulated NVMe"
    firmware: str = "KB1.0"
    lba_sizes: tuple[int, ...] = (512, 4096)  # the LBA formats, in order
    sanicap: int = 0x7  # bit 0 crypto, 1 block, 2 overwrite; 29 no-deallocate inhibited
    fna: int = 0x4  # bit 0 format reaches all namespaces, 1 secure erase does, 2 crypto erase
    oacs: int = 0x12  # bit 1 Format NVM, 4 device self-test
    oncs: int = 0xD  # bit 0 compare, 2 dataset management, 3 write zeroes
    vwc: int = 1  # bit 0: there is a volatile write cache
    cache: int = 4 << 20  # its size in bytes
    deallocated: int = 0x01  # DLFEAT bits 2:0: 1 reads as 00, 2 as FF
    sanitize_seconds: float = 10.0
    estimates: tuple[int, int, int] = (120, 10, 2)  # overwrite, block, crypto in seconds, for log 81h
    self_test_seconds: float = 60.0
    spare_threshold: int = 10  # percent

    @property
    def fill(self) -> int:
        """The byte that deallocated blocks read as."""
        return 0xFF if self.deallocated & 7 == 2 else 0x00

    @property
    def nqn(self) -> str:
        """The name of its NVM subsystem."""
        return f"nqn.2014-08.org.nvmexpress:uuid:{_uuid(self.serial)}"


@dataclass(frozen=True)
class Names:
    """The identifiers of one namespace."""

    eui64: bytes
    nguid: bytes


def names(serial: str, nsid: int) -> Names:
    """Derive a namespace's identifiers from the drive's serial number."""
    eui64 = b"\x00\x16\x3e" + hashlib.sha256(f"eui {serial} {nsid}".encode()).digest()[:5]
    return Names(eui64, hashlib.sha256(f"nguid {serial} {nsid}".encode()).digest()[:8] + eui64)


def _uuid(serial: str) -> str:
    text = hashlib.sha256(f"subsystem {serial}".encode()).hexdigest()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:32]}"


def _place(into: bytearray, fields: Iterable[tuple[int, str, int]]) -> None:
    for offset, form, value in fields:
        struct.pack_into("<" + form, into, offset, value)


def controller(make: Make, serial: str, namespaces: int, capacity: int, cntlid: int) -> bytes:
    """Return Identify Controller (CNS 01h), 4,096 bytes; `capacity` is the sum of the namespaces in bytes."""
    data = bytearray(4096)
    data[4:24] = serial.encode().ljust(20)
    data[24:64] = make.model.encode().ljust(40)
    data[64:72] = make.firmware.encode().ljust(8)
    data[73:76] = b"\x3e\x16\x00"  # the same organisation as in the EUI-64
    data[280:296] = capacity.to_bytes(16, "little")
    nqn = make.nqn.encode()
    data[768 : 768 + len(nqn)] = nqn
    _place(
        data,
        [
            (0, "H", 0x1B36), (2, "H", 0x1AF4), (72, "B", 0), (76, "B", 0), (77, "B", 8),  # MDTS: 1 MiB
            (78, "H", cntlid), (80, "I", 0x00010400), (92, "I", 0x100), (111, "B", 1), (256, "H", make.oacs),
            (258, "B", 3), (259, "B", 3), (260, "B", 0x03), (261, "B", 0x00), (262, "B", 63),
            (266, "H", 343), (268, "H", 353), (316, "H", max(1, round(make.self_test_seconds / 60))),
            (320, "H", 1), (328, "I", make.sanicap), (512, "B", 0x66), (513, "B", 0x44), (514, "H", 128),
            (516, "I", namespaces), (520, "H", make.oncs), (524, "B", make.fna), (525, "B", make.vwc),
            (536, "I", 0x00100001),  # SGLs, and addresses as offsets into the capsule
            (1792, "I", (64 + CAPSULE_DATA) // 16), (1796, "I", 1), (1803, "B", 1),
        ],
    )  # fmt: skip
    return bytes(data)


def namespace(make: Make, who: Names, size: int, used: int, lbaf: int) -> bytes:
    """Return Identify Namespace (CNS 00h), 4,096 bytes; `size` and `used` are bytes."""
    data = bytearray(4096)
    lba = make.lba_sizes[lbaf]
    _place(
        data,
        [
            (0, "Q", size // lba), (8, "Q", size // lba), (16, "Q", min(size, used) // lba), (24, "B", 0x01),
            (25, "B", len(make.lba_sizes) - 1), (26, "B", lbaf), (33, "B", make.deallocated),
        ],
    )  # fmt: skip
    data[48:64] = size.to_bytes(16, "little")
    data[104:120], data[120:128] = who.nguid, who.eui64
    for index, each in enumerate(make.lba_sizes):
        struct.pack_into("<HBB", data, 128 + 4 * index, 0, each.bit_length() - 1, 0)
    return bytes(data)


def descriptors(who: Names) -> bytes:
    """Return the Namespace Identification Descriptor list (CNS 03h): EUI-64 and NGUID."""
    data = struct.pack("<BB2x", 1, 8) + who.eui64 + struct.pack("<BB2x", 2, 16) + who.nguid
    return data.ljust(4096, b"\0")


def active_list(nsids: Iterable[int], after: int) -> bytes:
    """Return the Active Namespace ID list (CNS 02h): those above `after`, ascending."""
    return b"".join(struct.pack("<I", each) for each in sorted(nsids) if each > after).ljust(4096, b"\0")[:4096]
