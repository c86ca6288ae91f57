"""A host that speaks to a drive in command blocks: what a test says instead of hdparm or sg3-utils."""

import struct
from dataclasses import dataclass
from pathlib import Path

from tests.drives.ata import AtaDrive
from tests.drives.ataspec import AtaSpec
from tests.drives.clock import SimulatedClock
from tests.drives.lies import Lies
from tests.drives.sanitize import BLOCK, CRYPTO, FREEZE, KEYS, OVERWRITE, OVERWRITE_KEY, STATUS
from tests.drives.sat import SatDrive
from tests.drives.scsi import SasDrive, ScsiSpec
from tests.drives.security import padded
from tests.drives.sense import CHECK_CONDITION, Reply
from tests.drives.target import Target

NO_DATA, DATA_IN, DATA_OUT = 3, 4, 5  # PROTOCOL: non-data, PIO in, PIO out
SANITIZE_ACTIONS = {"crypto": CRYPTO, "block": BLOCK, "overwrite": OVERWRITE, "freeze": FREEZE}


@dataclass(frozen=True)
class Registers:
    """What ATA PASS-THROUGH brought back."""

    status: int
    error: int
    count: int
    lba: int
    data: bytes

    @property
    def ok(self) -> bool:
        """Tell whether the drive did the command."""
        return not self.status & 1


def ssd(folder: Path, *lies: str, spec: AtaSpec | None = None, clock: SimulatedClock | None = None) -> SatDrive:
    """Return a simulated SATA SSD of 10 MiB in `folder`; lies as on the command line."""
    told = Lies.from_words(lies)
    drive = AtaDrive(spec or AtaSpec(sectors=20_480), folder / "ata.img", clock=clock or SimulatedClock(), lies=told)
    return SatDrive(drive)


def sas(folder: Path, *lies: str, spec: ScsiSpec | None = None, clock: SimulatedClock | None = None) -> SasDrive:
    """Return a simulated SAS drive of 10 MiB in `folder`; lies as on the command line."""
    told = Lies.from_words(lies)
    return SasDrive(spec or ScsiSpec(sectors=20_480), folder / "sas.img", clock=clock or SimulatedClock(), lies=told)


def ata(
    drive: Target, command: int, *, features: int = 0, count: int = 0, lba: int = 0, device: int = 0x40,
    data: bytes = b"", comes: bool = False, extended: bool = True,
) -> Registers:  # fmt: skip
    """Send one ATA command through ATA PASS-THROUGH (16) with CK_COND."""
    protocol = DATA_OUT if data else DATA_IN if comes else NO_DATA
    flags = 0x20 | (0x0E if comes else 0x06 if data else 0)
    high = (features >> 8, count >> 8, lba >> 24 & 0xFF, lba >> 32 & 0xFF, lba >> 40 & 0xFF)
    cdb = bytes([
        0x85, protocol << 1 | (1 if extended else 0), flags, high[0], features & 0xFF, high[1], count & 0xFF,
        high[2], lba & 0xFF, high[3], lba >> 8 & 0xFF, high[4], lba >> 16 & 0xFF, device, command, 0,
    ])  # fmt: skip
    reply = drive.command(cdb, data)
    assert reply.status == CHECK_CONDITION, "CK_COND always brings the registers"
    back = reply.sense[8:22]
    assert back[0] == 0x09, "the registers come in a descriptor of type 09h"
    return Registers(
        back[13], back[3], back[4] << 8 | back[5],
        back[7] | back[9] << 8 | back[11] << 16 | back[6] << 24 | back[8] << 32 | back[10] << 40, reply.data_in,
    )  # fmt: skip


def identify(drive: Target) -> tuple[int, ...]:
    """Return the 256 words of IDENTIFY DEVICE."""
    return struct.unpack("<256H", ata(drive, 0xEC, count=1, comes=True, extended=False).data)


def password_block(password: str, *, master: bool = False, maximum: bool = False, enhanced: bool = False) -> bytes:
    """Return the 512 bytes that go with the security commands."""
    control = (1 if master else 0) | (0x0100 if maximum else 0) | (2 if enhanced else 0)
    return struct.pack("<H", control) + padded(password) + bytes(478)


def security(drive: Target, command: int, block: bytes) -> Registers:
    """Send a security command with its block: F1 set, F2 unlock, F4 erase, F6 disable."""
    return ata(drive, command, count=1, data=block, extended=False)


def erase(drive: Target, password: str, *, enhanced: bool = False) -> Registers:
    """Send ERASE PREPARE and ERASE UNIT."""
    ata(drive, 0xF3, extended=False)
    return security(drive, 0xF4, password_block(password, enhanced=enhanced))


def sanitize(drive: Target, kind: str, pattern: int = 0) -> Registers:
    """Begin an ATA sanitize: crypto, block or overwrite; or give the freeze lock."""
    action = SANITIZE_ACTIONS[kind]
    lba = OVERWRITE_KEY << 32 | pattern if kind == "overwrite" else KEYS[action]
    return ata(drive, 0xB4, features=action, count=1 if kind == "overwrite" else 0, lba=lba)


def sanitize_status(drive: Target) -> Registers:
    """Ask how the sanitize stands."""
    return ata(drive, 0xB4, features=STATUS)


def write(drive: Target, lba: int, data: bytes) -> Reply:
    """WRITE (16)."""
    return drive.command(b"\x8a\0" + struct.pack(">QI", lba, len(data) // 512) + bytes(2), data)


def read(drive: Target, lba: int, count: int) -> Reply:
    """READ (16)."""
    return drive.command(b"\x88\0" + struct.pack(">QI", lba, count) + bytes(2))


def flush(drive: Target) -> Reply:
    """SYNCHRONIZE CACHE (10)."""
    return drive.command(b"\x35" + bytes(9))


def scsi_sanitize(drive: Target, action: int, *, immediate: bool = True, data: bytes = b"", ause: bool = True) -> Reply:
    """SANITIZE (10): 1 overwrite, 2 block, 3 crypto, 1Fh exit failure mode."""
    flags = (0x80 if immediate else 0) | (0x20 if ause else 0) | action
    return drive.command(bytes([0x48, flags, 0, 0, 0, 0, 0]) + struct.pack(">H", len(data)) + b"\0", data)


def request_sense(drive: Target) -> tuple[int, int, int, int | None]:
    """Return key, code, qualifier and progress of REQUEST SENSE."""
    data = drive.command(bytes([0x03, 0, 0, 0, 252, 0])).data_in
    progress = struct.unpack(">H", data[16:18])[0] if data[15] & 0x80 else None
    return data[2] & 0x0F, data[12], data[13], progress
