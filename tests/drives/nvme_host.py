"""A host in a few lines, for tests of the simulated NVMe drive: it builds commands and takes the answers apart."""

import struct
from typing import NamedTuple, Protocol

from tests.drives import nvme_words as words
from tests.drives.nvme_words import ALL_NAMESPACES, Answer, entry


class Drive(Protocol):
    """Whatever takes commands: the model itself, or one at the other end of a connection."""

    def admin(self, sqe: bytes, data: bytes = b"") -> Answer:
        """Carry out an admin command."""
        ...

    def io(self, sqe: bytes, data: bytes = b"") -> Answer:
        """Carry out a command of the NVM set."""
        ...


class Log81(NamedTuple):
    """The fields of the sanitize log that matter."""

    progress: int
    state: int
    passes: int
    erased: bool
    scdw10: int


def sanitize(drive: Drive, action: int, **bits: int) -> int:
    """Send Sanitize with AUSE set unless `ause=0`; return its status."""
    word = action | bits.get("ause", 1) << 3 | bits.get("owpass", 0) << 4 | bits.get("oipbp", 0) << 8
    return drive.admin(entry(words.SANITIZE, 0, word | bits.get("ndas", 0) << 9, bits.get("pattern", 0))).status


def log81(drive: Drive) -> Log81:
    """Read the sanitize log."""
    answer = drive.admin(entry(words.GET_LOG, ALL_NAMESPACES, 0x81 | 127 << 16))
    assert answer.status == words.OK, hex(answer.status)
    progress, status, scdw10 = struct.unpack_from("<HHI", answer.data)
    return Log81(progress, status & 7, status >> 3 & 0x1F, bool(status & 1 << 8), scdw10)


def format_nvm(drive: Drive, nsid: int, ses: int, lbaf: int = 0) -> int:
    """Send Format NVM; return its status."""
    return drive.admin(entry(words.FORMAT, nsid, lbaf | ses << 9)).status


def read(drive: Drive, nsid: int, lba: int, blocks: int = 8) -> Answer:
    """Read logical blocks."""
    return drive.io(entry(words.READ, nsid, lba & 0xFFFFFFFF, lba >> 32, blocks - 1))


def write(drive: Drive, nsid: int, lba: int, data: bytes, block: int = 512, *, fua: bool = False) -> int:
    """Write logical blocks; return the status."""
    count = len(data) // block - 1 | (1 << 30 if fua else 0)
    return drive.io(entry(words.WRITE, nsid, lba & 0xFFFFFFFF, lba >> 32, count), data).status


def flush(drive: Drive, nsid: int) -> int:
    """Flush the write cache; return the status."""
    return drive.io(entry(words.FLUSH, nsid)).status


def identify(drive: Drive, cns: int, nsid: int = 0) -> bytes:
    """Read an Identify data structure."""
    answer = drive.admin(entry(words.IDENTIFY, nsid, cns))
    assert answer.status == words.OK, hex(answer.status)
    return answer.data


def serial(drive: Drive) -> str:
    """Return the serial number from Identify Controller."""
    return identify(drive, 1)[4:24].decode().strip()


def size(drive: Drive, nsid: int) -> int:
    """Return a namespace's size in bytes."""
    page = identify(drive, 0, nsid)
    lbaf = page[26] & 0xF
    return int.from_bytes(page[:8], "little") << page[128 + 4 * lbaf + 2]
