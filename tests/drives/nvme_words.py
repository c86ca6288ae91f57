"""The words of NVMe that the simulated drive speaks: commands, opcodes, status codes, log pages.

Numbers are those of the NVM Express Base Specification 1.4 (the revision that the drive says it follows) and, for
fabrics commands, of NVMe over Fabrics 1.1; `linux/nvme.h` of Linux 6.1 has the same.
"""

import struct
from typing import NamedTuple, Self

ALL_NAMESPACES = 0xFFFFFFFF

# Admin commands (Base 1.4, figure 139) and the NVM command set (figure 346).
DELETE_SQ, CREATE_SQ, GET_LOG, DELETE_CQ, CREATE_CQ, IDENTIFY, ABORT = 0x00, 0x01, 0x02, 0x04, 0x05, 0x06, 0x08
SET_FEATURES, GET_FEATURES, ASYNC_EVENT, SELF_TEST, KEEP_ALIVE = 0x09, 0x0A, 0x0C, 0x14, 0x18
FORMAT, SANITIZE = 0x80, 0x84
FLUSH, WRITE, READ, COMPARE, WRITE_ZEROES, DEALLOCATE = 0x00, 0x01, 0x02, 0x05, 0x08, 0x09

# Status: bits 7:0 code, 10:8 type, 14 do not retry; the phase bit is not part of it here (figure 126 ff.).
OK = 0x0000
DNR = 0x4000
INVALID_OPCODE, INVALID_FIELD, INTERNAL_ERROR, INVALID_NAMESPACE = 0x4001, 0x4002, 0x4006, 0x400B
SANITIZE_FAILED, SANITIZE_IN_PROGRESS = 0x401C, 0x401D
OUT_OF_RANGE, CAPACITY_EXCEEDED = 0x4080, 0x4081
INVALID_LOG_PAGE, INVALID_FORMAT, SELF_TEST_IN_PROGRESS = 0x4109, 0x410A, 0x411D
UNRECOVERED_READ, COMPARE_FAILED = 0x4281, 0x4285

# Log pages.
LOG_ERROR, LOG_HEALTH, LOG_FIRMWARE, LOG_CHANGED, LOG_EFFECTS, LOG_SELF_TEST = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06
LOG_SANITIZE = 0x81

# Sanitize actions (figure 334) and the states of log 81h (figure 262).
EXIT_FAILURE, BLOCK_ERASE, OVERWRITE, CRYPTO_ERASE = 1, 2, 3, 4
NEVER, SUCCEEDED, WORKING, FAILED, SUCCEEDED_NO_DEALLOC = 0, 1, 2, 3, 4
GLOBAL_DATA_ERASED = 1 << 8


class NeverAnswers(Exception):
    """The command gets no completion: the firmware hangs."""


class Held(NeverAnswers):
    """The command is answered when something happens: an Asynchronous Event Request."""


class Answer(NamedTuple):
    """A completion: status without phase bit, the command-specific result, data for the host."""

    status: int
    dw0: int = 0
    data: bytes = b""


class Command(NamedTuple):
    """A submission queue entry, taken apart."""

    opcode: int
    cid: int
    nsid: int
    cdw10: int
    cdw11: int
    cdw12: int
    cdw13: int
    cdw14: int
    cdw15: int

    @classmethod
    def parse(cls, sqe: bytes) -> Self:
        """Take 64 bytes apart; raises `ValueError` for another length."""
        if len(sqe) != 64:
            raise ValueError(f"a submission queue entry has 64 bytes, not {len(sqe)}")
        opcode, _, cid, nsid = struct.unpack_from("<BBHI", sqe)
        return cls(opcode, cid, nsid, *struct.unpack_from("<6I", sqe, 40))

    @property
    def lba(self) -> int:
        """The first logical block of a command that names blocks."""
        return self.cdw10 | self.cdw11 << 32

    @property
    def blocks(self) -> int:
        """The number of logical blocks; the field counts from zero."""
        return (self.cdw12 & 0xFFFF) + 1


def entry(opcode: int, nsid: int = 0, *words: int, cid: int = 0) -> bytes:
    """Build a submission queue entry; `words` are command dwords 10 and up."""
    return struct.pack("<BBHI32x6I", opcode, 0, cid, nsid, *(*words, *[0] * (6 - len(words))))
