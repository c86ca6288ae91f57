"""What a SCSI disk is asked, and what its raw bytes mean: sense data, supported commands, block counts.

Everything is asked through `sg_raw`, because exit statuses and words of the comfortable tools lie: `sg_format` ends
with 0 and "FORMAT UNIT Complete" on a drive that did nothing (LAB.md section 2). Facts: SPC-4 (REQUEST SENSE, REPORT
SUPPORTED OPERATION CODES, MODE SENSE) and SBC-3 (SANITIZE) as sg3-utils' public documentation retells them.
"""

import struct
from dataclasses import dataclass

from station.run import Result, Runner
from station.wipe.methods import DriveState

DEADLINE = 30.0  # seconds
SANITIZE, FORMAT_UNIT = 0x48, 0x04
OVERWRITE, BLOCK_ERASE, CRYPTO_ERASE = 1, 2, 3  # service actions of SANITIZE
_SENSE_LENGTH, _MODE_LENGTH, _OPCODE_LENGTH = 252, 252, 64
_CURRENT, _DEFAULT = 0, 2  # which values MODE SENSE is asked for
_SUPPORTED = (0b011, 0b101)  # as the standard says, or in the vendor's own way


@dataclass(frozen=True)
class Sense:
    """One answer to REQUEST SENSE: key, additional code, qualifier, and a progress from 0 to 1 where there is one."""

    key: int
    code: int
    qualifier: int
    progress: float | None
    raw: str


def ask_sense(run: Runner, path: str) -> tuple[Sense | None, str]:
    """Ask a disk how it is. Returns the sense data, or None and why there is none."""
    result = _raw(run, path, _SENSE_LENGTH, 0x03, 0, 0, 0, _SENSE_LENGTH, 0)
    sense = sense_of(result.stdout)
    return sense, "" if sense else result.trouble or "the disk's answer to REQUEST SENSE is no sense data"


def sense_of(data: bytes) -> Sense | None:
    """Decode sense data of fixed (70h, 71h) or descriptor format (72h, 73h); None when it is neither or too short."""
    kind = data[0] & 0x7F if data else 0
    if kind in (0x70, 0x71) and len(data) >= 14:
        valid = len(data) >= 18 and data[15] & 0x80
        progress = struct.unpack(">H", data[16:18])[0] / 65536 if valid else None
        return Sense(data[2] & 0x0F, data[12], data[13], progress, data[:18].hex())
    if kind in (0x72, 0x73) and len(data) >= 8:
        end = min(len(data), 8 + data[7])
        return Sense(data[1] & 0x0F, data[2], data[3], _progress(data[8:end]), data[:end].hex())
    return None


def _progress(descriptors: bytes) -> float | None:
    """Find the sense-key-specific descriptor (type 02h): a valid bit and a progress in 65536ths."""
    at = 0
    while at + 2 <= len(descriptors):
        kind, length = descriptors[at], descriptors[at + 1]
        if kind == 0x02 and length >= 6 and at + 7 <= len(descriptors) and descriptors[at + 4] & 0x80:
            return float(struct.unpack(">H", descriptors[at + 5 : at + 7])[0]) / 65536
        at += 2 + length
    return None


def state_of(sense: Sense | None, why: str) -> DriveState:
    """Say what sense data mean for an erase. A disk without complaint is idle: that is no success."""
    if sense is None:
        return DriveState("unknown", why)
    what = (sense.key, sense.code, sense.qualifier)
    if sense.key == 2 and sense.code == 0x04 and sense.qualifier in (0x1B, 0x04):
        work = "sanitizing" if sense.qualifier == 0x1B else "formatting"
        return DriveState("working", f"the drive is {work}", sense.progress, sense.raw)
    if (sense.code, sense.qualifier) in ((0x31, 0x03), (0x31, 0x01)):
        return DriveState("failed", "the drive says that its erase failed", sense.progress, sense.raw)
    if sense.key == 2 and sense.code == 0x3A:
        return DriveState("gone", "there is no medium in the drive", None, sense.raw)
    if sense.key in (0, 1):
        return DriveState("idle", "the drive has nothing to complain of", None, sense.raw)
    if sense.key == 6:  # a reset or a change was noticed; the next answer says more
        return DriveState("unknown", "the drive was reset", None, sense.raw)
    return DriveState("unknown", "the drive answers {:X}h {:02X}h/{:02X}h".format(*what), None, sense.raw)


def ask_serial(run: Runner, path: str) -> str:
    """Ask the disk itself for its serial number (INQUIRY, page 80h); "" when it does not say."""
    result = _raw(run, path, _SENSE_LENGTH, 0x12, 1, 0x80, 0, _SENSE_LENGTH, 0)
    data = result.stdout if result.ok else b""
    return data[4 : 4 + data[3]].decode("ascii", "replace").strip() if len(data) > 4 and data[1] == 0x80 else ""


def supports(run: Runner, path: str, opcode: int, action: int | None = None) -> bool | None:
    """Ask whether a disk knows a command (and service action); None when it does not say."""
    options = 1 if action is None else 2
    high, low = divmod(action or 0, 256)
    result = _raw(run, path, _OPCODE_LENGTH, 0xA3, 0x0C, options, opcode, high, low, 0, 0, 0, _OPCODE_LENGTH, 0, 0)
    if not result.ok or len(result.stdout) < 4:
        return None
    return result.stdout[1] & 0b111 in _SUPPORTED


def block_counts(run: Runner, path: str) -> tuple[int | None, int | None]:
    """Return how many blocks a disk shows now, and how many it has by its defaults; None where it does not say.

    A capacity that was reduced (MODE SELECT, `sg_format --resize`) shows as a difference of the two.
    """
    return _blocks(run, path, _CURRENT), _blocks(run, path, _DEFAULT)


def _blocks(run: Runner, path: str, values: int) -> int | None:
    cdb = (0x5A, 0x10, values << 6 | 0x3F, 0, 0, 0, 0, 0, _MODE_LENGTH, 0)  # long LBAs accepted, all pages
    result = _raw(run, path, _MODE_LENGTH, *cdb)
    return blocks_of(result.stdout) if result.ok else None


def blocks_of(data: bytes) -> int | None:
    """Read the number of blocks from MODE SENSE(10): None when it has no block descriptor, or none that says."""
    if len(data) < 8:
        return None
    length, wide = struct.unpack(">H", data[6:8])[0], data[4] & 1
    if wide and length >= 16 and len(data) >= 16:
        count = int(struct.unpack(">Q", data[8:16])[0])
        return count if 0 < count < 2**64 - 1 else None
    if not wide and length >= 8 and len(data) >= 12:
        count = int(struct.unpack(">I", data[8:12])[0])
        return count if 0 < count < 2**32 - 1 else None
    return None


def _raw(run: Runner, path: str, length: int, *cdb: int) -> Result:
    return run(("sg_raw", "-b", "-r", str(length), path, *(f"{byte:02x}" for byte in cdb)), DEADLINE)
