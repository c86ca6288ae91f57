"""Answers of a SCSI drive: status, data, sense. Layouts from SPC-4 (4.5) and SAT-3 (12.2.5)."""

import struct
from typing import NamedTuple

GOOD, CHECK_CONDITION = 0x00, 0x02
NO_SENSE, RECOVERED, NOT_READY, MEDIUM_ERROR, ILLEGAL_REQUEST, DATA_PROTECT, ABORTED = 0, 1, 2, 3, 5, 7, 11

INVALID_OPCODE = (ILLEGAL_REQUEST, 0x20, 0x00)
LBA_OUT_OF_RANGE = (ILLEGAL_REQUEST, 0x21, 0x00)
INVALID_FIELD = (ILLEGAL_REQUEST, 0x24, 0x00)
BAD_PARAMETER = (ILLEGAL_REQUEST, 0x26, 0x00)
UNRECOVERED_READ = (MEDIUM_ERROR, 0x11, 0x00)
SANITIZE_IN_PROGRESS = (NOT_READY, 0x04, 0x1B)
FORMAT_IN_PROGRESS = (NOT_READY, 0x04, 0x04)
SANITIZE_FAILED = (MEDIUM_ERROR, 0x31, 0x03)
FORMAT_FAILED = (MEDIUM_ERROR, 0x31, 0x01)


class NeverAnswers(Exception):
    """The drive hangs: this command will never complete."""


class NoPower(Exception):
    """The drive is switched off or unplugged."""


class Trouble(Exception):
    """A command ends in CHECK CONDITION with this sense: key, additional code, qualifier."""

    def __init__(self, sense: tuple[int, int, int], *, progress: int | None = None, info: int | None = None) -> None:
        super().__init__(f"sense {sense[0]:X}/{sense[1]:02X}/{sense[2]:02X}")
        self.sense, self.progress, self.info = sense, progress, info


class Reply(NamedTuple):
    """What a command came to."""

    status: int
    data_in: bytes = b""
    sense: bytes = b""


def fixed(sense: tuple[int, int, int], *, progress: int | None = None, info: int | None = None) -> bytes:
    """Return fixed-format sense data; `progress` in 65536ths, `info` a sector."""
    key, code, qualifier = sense
    valid = 0x80 if info is not None else 0
    specific = b"\x80" + struct.pack(">H", progress) if progress is not None else bytes(3)
    head = struct.pack(">BBBIB", 0x70 | valid, 0, key, (info or 0) & 0xFFFFFFFF, 10)
    return head + bytes(4) + bytes([code, qualifier, 0]) + specific


def descriptor(sense: tuple[int, int, int], *descriptors: bytes) -> bytes:
    """Return descriptor-format sense data."""
    key, code, qualifier = sense
    body = b"".join(descriptors)
    return bytes([0x72, key, code, qualifier, 0, 0, 0, len(body)]) + body


def progress_descriptor(progress: int) -> bytes:
    """Return a sense-key-specific descriptor with a progress indication."""
    return bytes([0x02, 0x06, 0, 0, 0x80]) + struct.pack(">H", progress) + b"\0"
